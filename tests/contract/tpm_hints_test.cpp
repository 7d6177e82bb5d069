// SPDX-License-Identifier: Apache-2.0
// The commands that errors of the TPM advise, run as they stand there: they end the error.
#include <cstdint>
#include <sstream>

#include <gtest/gtest.h>

#include "support/result_matchers.h"
#include "support/swtpm.h"
#include "tpm/describe.h"
#include "tpm/response.h"
#include "tpm/sealer.h"

namespace volumecrypt::test {
namespace {

using base::ErrorCode;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// TPM2_RC_SESSION_MEMORY and TPM2_RC_LOCKOUT, as the TPM answers.
constexpr std::uint32_t kSessionMemory = 0x903;
constexpr std::uint32_t kLockout = 0x921;

class TpmHints : public testing::Test {
  protected:
    tpm::Access access() const {
        return {.tcti = tpm_.tcti(), .paths = model::SystemPaths(root_.path())};
    }
    base::Result<tpm::NewSecret> seal() const {
        return tpm::seal(access(), {.pcrs = {7}, .signer = {}});
    }
    // The commands of tpm2-tools between backticks.
    static std::vector<std::string> commandsOf(const std::string &hint) {
        std::vector<std::string> commands;
        std::istringstream parts(hint);
        bool inside = false;
        for (std::string part; std::getline(parts, part, '`'); inside = !inside)
            if (inside && part.starts_with("tpm2_")) commands.push_back(part);
        return commands;
    }
    // With one of its options replaced by another.
    void follow(const std::string &command, const std::string &from = "",
                const std::string &to = "") const {
        std::vector<std::string> argv;
        std::istringstream words(command);
        for (std::string word; words >> word;) {
            // This TPM has no device of that name.
            if (word == "device:/dev/tpm0") word = tpm_.tcti();
            argv.push_back(word == from ? to : word);
        }
        EXPECT_NO_THROW((void)tpm_.tool(argv)) << command;
    }
    std::string file(const std::string &name) const { return root_.path() + "/" + name; }

    Swtpm tpm_;
    TempDir root_;
};

TEST_F(TpmHints, ObjectsThatWereLeftAreFlushed) {
    // As many as it has room for.
    for (int object = 0; object < 3; ++object)
        (void)tpm_.tool({"tpm2_createprimary", "-C", "o", "-G", "ecc", "-c", file("object")});
    const auto full = seal();
    ASSERT_THAT(full, FailsWith(ErrorCode::TpmUnavailable, HasSubstr("memory")));
    const auto commands = commandsOf(full.error().hint);
    ASSERT_THAT(commands, ElementsAre("tpm2_flushcontext -T device:/dev/tpm0 -t"));
    follow(commands.front());
    EXPECT_THAT(seal(), IsOk());
}

TEST_F(TpmHints, SessionsThatWereLeftAreFlushed) {
    // Their number alone is what the TPM still knows of those that were saved.
    for (int session = 0; session < 3; ++session)
        (void)tpm_.tool({"tpm2_startauthsession", "-S", file("session")});
    ASSERT_NE(tpm_.leftovers() + tpm_.tool({"tpm2_getcap", "handles-saved-session"}), "");
    const std::string hint =
        "`tpm2_flushcontext -T device:/dev/tpm0 -t` clears objects, and with -l or -s in place of "
        "-t sessions";
    EXPECT_THAT(tpm::responseError("open", kSessionMemory).hint, HasSubstr(hint));
    for (const char *kind : {"-l", "-s"}) follow(commandsOf(hint).front(), "-t", kind);
    EXPECT_EQ(tpm_.leftovers() + tpm_.tool({"tpm2_getcap", "handles-saved-session"}), "");
    EXPECT_THAT(seal(), IsOk());
}

TEST_F(TpmHints, ALockoutIsEnded) {
    const auto made = seal();
    ASSERT_THAT(made, IsOk());
    (void)tpm_.tool({"tpm2_dictionarylockout", "--setup-parameters", "--max-tries=1",
                     "--recovery-time=1000", "--lockout-recovery-time=1000"});
    (void)tpm_.tool({"tpm2_createprimary", "-C", "o", "-G", "ecc", "-p", "right", "-a",
                     "sign|fixedtpm|fixedparent|sensitivedataorigin|userwithauth", "-c",
                     file("key")});
    EXPECT_ANY_THROW((void)tpm_.tool({"tpm2_sign", "-c", file("key"), "-p", "wrong", "-o",
                                      file("signature"), root_.write("text", "text")}));
    (void)tpm_.tool({"tpm2_flushcontext", "-t"});
    const auto isLockedOut = [&] {
        return tpm::describe(access())->at("lockout").at("active").get<bool>();
    };
    ASSERT_TRUE(isLockedOut());
    const auto commands = commandsOf(tpm::responseError("unseal", kLockout).hint);
    ASSERT_THAT(commands, ElementsAre("tpm2_dictionarylockout --clear-lockout"));
    follow(commands.front());
    EXPECT_FALSE(isLockedOut());
}

TEST_F(TpmHints, AMissingBankIsAllocated) {
    (void)tpm_.tool({"tpm2_pcrallocate", "sha256:none+sha1:all"});
    tpm_.restart();
    const auto missing = seal();
    ASSERT_THAT(missing, FailsWith(ErrorCode::Unsupported, HasSubstr("SHA-256 bank")));
    const auto commands = commandsOf(missing.error().hint);
    ASSERT_THAT(commands, ElementsAre("tpm2_pcrallocate"));
    follow(commands.front());
    tpm_.restart();
    EXPECT_THAT(seal(), IsOk());
}

TEST_F(TpmHints, AForeignStorageRootKeyIsShownAndRemoved) {
    (void)tpm_.tool({"tpm2_createprimary", "-C", "o", "-G", "ecc", "-a",
                     "restricted|decrypt|fixedtpm|fixedparent|sensitivedataorigin|userwithauth",
                     "-p", "secret", "-c", file("parent")});
    (void)tpm_.tool({"tpm2_evictcontrol", "-C", "o", "-c", file("parent"), "0x81000001"});
    (void)tpm_.tool({"tpm2_flushcontext", "-t"});
    const auto foreign = seal();
    ASSERT_THAT(foreign, FailsWith(ErrorCode::TpmUnavailable, HasSubstr("0x81000001")));
    const auto commands = commandsOf(foreign.error().hint);
    ASSERT_THAT(commands, ElementsAre("tpm2_readpublic -c 0x81000001",
                                      "tpm2_evictcontrol -C o -c 0x81000001"));
    for (const std::string &command : commands) follow(command);
    EXPECT_THAT(seal(), IsOk());
}

}  // namespace
}  // namespace volumecrypt::test
