// SPDX-License-Identifier: Apache-2.0
// A TPM interface that fails or answers nonsense at any one command of a seal and an unseal.
#include <chrono>

#include <gtest/gtest.h>

#include "base/files.h"
#include "support/result_matchers.h"
#include "support/swtpm.h"
#include "tpm/sealer.h"

namespace volumecrypt::test {
namespace {

using base::ErrorCode;
using ::testing::HasSubstr;

class TpmFaultTest : public testing::TestWithParam<std::string> {
  protected:
    // `nth` 0: nothing goes wrong. The interface has the same name whatever goes wrong.
    tpm::Access access(int nth, int timeoutMs = 20'000) const {
        const std::string script =
            root_.write("proxy", "exec " TPM_PROXY " " + tpm_.socket() + " " + std::to_string(nth) +
                                     " " + GetParam() + " " + counter() + "\n");
        return {.tcti = "cmd:sh " + script,
                .paths = model::SystemPaths(root_.path()),
                .timeoutMs = timeoutMs};
    }
    std::string counter() const { return root_.path() + "/count"; }
    int commands() const {
        const auto text = base::readFile(counter());
        return text ? std::stoi(*text) : 0;
    }
    // Whoever loses the connection can clean up no more: the next one does.
    void expectClean(int nth) const {
        if (GetParam() == "close") {
            EXPECT_THAT(tpm::canSeal(access(0), policy_), IsOk());
        }
        EXPECT_EQ(tpm_.leftovers(), "") << GetParam() << " at command " << nth;
    }
    static void expectError(const base::Error &error, int nth) {
        EXPECT_FALSE(error.message.empty());
        EXPECT_TRUE(error.code == ErrorCode::TpmUnavailable ||
                    error.code == ErrorCode::PcrMismatch || error.code == ErrorCode::Unsupported ||
                    error.code == ErrorCode::ForeignTpm)
            << "command " << nth << ": " << base::errorName(error.code) << ": " << error.message;
    }

    const tpm::Policy policy_{.pcrs = {7}, .signer = {}};
    Swtpm tpm_;
    TempDir root_;
};

TEST_P(TpmFaultTest, Seal) {
    // The first seal makes the storage root key.
    ASSERT_THAT(tpm::seal(access(0), policy_), IsOk());
    ASSERT_THAT(tpm::seal(access(0), policy_), IsOk());
    const int all = commands();
    ASSERT_GT(all, 5);
    int failures = 0;
    for (int nth = 1; nth <= all; ++nth) {
        const auto result = tpm::seal(access(nth), policy_);
        if (!result) {
            ++failures;
            expectError(result.error(), nth);
        } else {
            // The fault was in cleaning up: the key is whole.
            const auto back = tpm::unseal(access(0), result->key);
            ASSERT_THAT(back, IsOk());
            EXPECT_TRUE(*back == result->secret);
        }
        expectClean(nth);
    }
    EXPECT_GT(failures, 4);
    EXPECT_THAT(tpm::seal(access(0), policy_), IsOk());
}

TEST_P(TpmFaultTest, Unseal) {
    const auto made = tpm::seal(access(0), policy_);
    ASSERT_THAT(made, IsOk());
    ASSERT_THAT(tpm::unseal(access(0), made->key), IsOk());
    const int all = commands();
    int failures = 0;
    for (int nth = 1; nth <= all; ++nth) {
        const auto result = tpm::unseal(access(nth), made->key);
        if (!result) {
            ++failures;
            expectError(result.error(), nth);
        } else {
            EXPECT_TRUE(*result == made->secret) << GetParam() << " at command " << nth;
        }
        expectClean(nth);
    }
    EXPECT_GT(failures, 5);
    EXPECT_THAT(tpm::unseal(access(0), made->key), IsOk());
}

INSTANTIATE_TEST_SUITE_P(Modes, TpmFaultTest,
                         testing::Values("refuse", "fail", "noise", "short", "header", "close"),
                         [](const auto &mode) { return mode.param; });

// Nothing goes wrong.
class TpmProxyTest : public testing::Test {
  protected:
    void TearDown() override { EXPECT_EQ(tpm_.leftovers(), ""); }
    tpm::Access access(const std::string &mode) const {
        return {.tcti = std::string("cmd:" TPM_PROXY " ") + tpm_.socket() + " 0 " + mode + " " +
                        root_.path() + "/count " + traffic(),
                .paths = model::SystemPaths(root_.path())};
    }
    std::string traffic() const { return root_.path() + "/traffic"; }

    const tpm::Policy policy_{.pcrs = {7}, .signer = {}};
    Swtpm tpm_;
    TempDir root_;
};

// Who listens on the wires between processor and TPM learns no secret.
TEST_F(TpmProxyTest, SecretIsNotOnTheWire) {
    const auto made = tpm::seal(access("none"), policy_);
    ASSERT_THAT(made, IsOk());
    const auto back = tpm::unseal(access("none"), made->key);
    ASSERT_THAT(back, IsOk());
    const auto bytes = base::readFile(traffic());
    ASSERT_THAT(bytes, IsOk());
    const std::string secret(back->chars(), back->size());
    ASSERT_EQ(secret.size(), 32U);
    EXPECT_EQ(bytes->find(secret), std::string::npos);
    // What is no secret is there in clear: the policy.
    EXPECT_NE(bytes->find(made->key.policyHash), std::string::npos);
}

TEST_F(TpmProxyTest, RsaWhereTheTpmHasNoEcc) {
    const auto made = tpm::seal(access("no-ecc"), policy_);
    ASSERT_THAT(made, IsOk());
    EXPECT_EQ(made->key.primaryAlgorithm, "rsa");
    const std::string area = tpm_.tool({"tpm2_readpublic", "-c", "0x81000001"});
    EXPECT_THAT(area, HasSubstr("value: rsa"));
    EXPECT_THAT(area, HasSubstr("bits: 2048"));
    EXPECT_THAT(area, HasSubstr("noda"));
    EXPECT_THAT(tpm::unseal(access("no-ecc"), made->key), IsOk());
    // Made again from the same template.
    (void)tpm_.tool({"tpm2_evictcontrol", "-C", "o", "-c", "0x81000001"});
    const auto back = tpm::unseal(access("no-ecc"), made->key);
    ASSERT_THAT(back, IsOk());
    EXPECT_TRUE(*back == made->secret);
}

class TpmSilenceTest : public TpmFaultTest {};

TEST_P(TpmSilenceTest, IsBounded) {
    const auto start = std::chrono::steady_clock::now();
    const auto result = tpm::seal(access(4, 1000), policy_);
    EXPECT_THAT(result, FailsWith(ErrorCode::TpmUnavailable));
    EXPECT_TRUE(result.error().retry);
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
}

// Killed after any of its commands: swtpm has room for three sessions and three objects, so that a
// few dead ones would make it unusable.
TEST_P(TpmSilenceTest, WhatADeadOneLeftIsFlushed) {
    const auto made = tpm::seal(access(0), policy_);
    ASSERT_THAT(made, IsOk());
    ASSERT_THAT(tpm::unseal(access(0), made->key), IsOk());
    const int all = commands();
    bool left = false;
    for (int nth = 2; nth <= all; ++nth) {
        EXPECT_THAT(tpm::unseal(access(nth, 300), made->key), FailsWith(ErrorCode::TpmUnavailable));
        left = left || !tpm_.leftovers().empty();
        if (nth % 4 != 0) continue;  // several may die in a row
        EXPECT_THAT(tpm::unseal(access(0), made->key), IsOk()) << "after command " << nth;
        EXPECT_EQ(tpm_.leftovers(), "");
    }
    EXPECT_TRUE(left) << "none died in the middle";
    EXPECT_THAT(tpm::unseal(access(0), made->key), IsOk());
    EXPECT_EQ(tpm_.leftovers(), "");
}

// What was there before the one that died is not its.
TEST_P(TpmSilenceTest, OthersAreLeftAlone) {
    const auto made = tpm::seal(access(0), policy_);
    ASSERT_THAT(made, IsOk());
    (void)tpm_.tool({"tpm2_createprimary", "-C", "n", "-G", "ecc", "-c", root_.path() + "/other"});
    const std::string others = tpm_.leftovers();
    ASSERT_NE(others, "");
    int died = 0;
    for (int nth = 5; nth <= 12; ++nth) died += tpm::unseal(access(nth, 300), made->key) ? 0 : 1;
    EXPECT_GT(died, 4);
    EXPECT_THAT(tpm::unseal(access(0), made->key), IsOk());
    EXPECT_EQ(tpm_.leftovers(), others);
}

INSTANTIATE_TEST_SUITE_P(Modes, TpmSilenceTest, testing::Values("silence"),
                         [](const auto &mode) { return mode.param; });

}  // namespace
}  // namespace volumecrypt::test
