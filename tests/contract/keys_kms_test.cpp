// SPDX-License-Identifier: Apache-2.0
// The key source behind kms keys: its tokens, and how long it tries.
#include <memory>

#include <nlohmann/json.hpp>

#include "base/files.h"
#include "keys/kms.h"
#include "support/hex.h"
#include "support/kms_place.h"
#include "support/result_matchers.h"
#include "support/socket_tricks.h"

namespace volumecrypt::test {
namespace {

using base::ErrorCode;
using testing::HasSubstr;

class KeysKmsTest : public testing::Test {
  protected:
    KeysKmsTest() {
        EXPECT_TRUE(base::writeFileAtomically(directory_.file("root/sys/class/dmi/id/product_uuid"),
                                              std::string(kNode) + "\n", 0400));
        directory_.write("all.key", std::string(32, 'k'));
    }

    static model::KeySpec spec(const std::string &endpoint) {
        model::KeySpec key;
        key.slot = 2;
        key.parameters = model::KmsKey{.endpoint = endpoint};
        return key;
    }
    keys::KeyContext context() {
        return {.volume = *model::VolumeId::parse("u-data"),
                .paths = model::SystemPaths(directory_.file("root")),
                .kmsHelper = KMS_CLIENT,
                .kmsAttempts = 4,
                .pause = [this](int milliseconds) {
                    pauses_.push_back(milliseconds);
                    return onPause_();
                }};
    }
    std::unique_ptr<ServerProcess> serverAt(const std::string &address) {
        return std::make_unique<ServerProcess>(
            std::vector<std::string>{KMS_SERVER, "--listen", address, "--plaintext", "--key-file",
                                     directory_.file("all.key")});
    }
    static model::TokenView tokenOf(const std::string &json) {
        return {.id = 2, .type = "sideroKMS", .keyslots = {}, .json = json};
    }

    TempDir directory_;
    std::vector<int> pauses_;
    std::function<bool()> onPause_ = [] { return true; };
};

TEST_F(KeysKmsTest, WhatWasMadeIsObtainedAgain) {
    const auto server = serverAt("127.0.0.1:0");
    const model::KeySpec key = spec(server->at("127.0.0.1"));
    keys::KmsKeySource source(key, context());
    ASSERT_THAT(source.canCreate(), IsOk());
    const auto made = source.create();
    ASSERT_THAT(made, IsOk());
    EXPECT_EQ(made->passphrase.size(), 44U);
    const auto obtained = source.obtain(tokenOf(made->token));
    ASSERT_THAT(obtained, IsOk());
    EXPECT_TRUE(*obtained == made->passphrase);
    EXPECT_TRUE(source.isAsDeclared(tokenOf(made->token)));
    const auto another = source.create();
    ASSERT_THAT(another, IsOk());
    EXPECT_FALSE(another->passphrase == made->passphrase);
    EXPECT_TRUE(pauses_.empty());
}

TEST_F(KeysKmsTest, ReadsAndWritesTheTokenOfTalos) {
    const auto token = keys::KmsToken::fromJson(
        R"({"UserData":{"sealedData":"AAECAwQFBgcICQoLOgRue3OJQqfKG4rJtODCtJPVPxp4WbtE9jnyjV2sd0FDP)"
        R"(qltL4heuJrXScoZguIJ"},"type":"sideroKMS","keyslots":[]})");
    ASSERT_THAT(token, IsOk());
    EXPECT_EQ(toHex(token->sealedData),
              "000102030405060708090a0b3a046e7b738942a7ca1b8ac9b4e0c2b493d53f1a7859bb44f639f28d5dac"
              "7741433ea96d2f885eb89ad749ca1982e209");
    EXPECT_EQ(token->endpoint, "");
    const auto written = nlohmann::json::parse(
        keys::KmsToken{.sealedData = token->sealedData, .endpoint = "grpcs://kms:1", .slot = 2}
            .toJson());
    EXPECT_EQ(written.at("type"), "sideroKMS");
    EXPECT_EQ(written.at("keyslots"), nlohmann::json::array());
    EXPECT_EQ(written.at("UserData").at("sealedData"),
              "AAECAwQFBgcICQoLOgRue3OJQqfKG4rJtODCtJPVPxp4WbtE9jnyjV2sd0FDPqltL4heuJrXScoZguIJ");
    EXPECT_EQ(written.at("UserData").at("endpoint"), "grpcs://kms:1");
}

TEST_F(KeysKmsTest, DamagedTokensAreNamed) {
    const model::KeySpec key = spec("127.0.0.1:1");
    keys::KmsKeySource source(key, context());
    for (const char *json :
         {"", "[]", "{}", R"({"UserData":1})", R"({"UserData":{}})",
          R"({"UserData":{"sealedData":1}})", R"({"UserData":{"sealedData":""}})",
          R"({"UserData":{"sealedData":"!!!!"}})"}) {
        const auto obtained = source.obtain(tokenOf(json));
        EXPECT_THAT(obtained, FailsWith(ErrorCode::HeaderCorrupt, HasSubstr("its token"))) << json;
        EXPECT_THAT(source.renewalReason(obtained.error(), tokenOf(json)), HasSubstr("damaged"));
    }
    const auto missing = source.obtain(std::nullopt);
    EXPECT_THAT(missing, FailsWith(ErrorCode::HeaderCorrupt, HasSubstr("holds no sealed")));
    EXPECT_THAT(source.renewalReason(missing.error(), std::nullopt), HasSubstr("missing"));
    EXPECT_TRUE(pauses_.empty());
}

TEST_F(KeysKmsTest, WaitsForAServerThatIsStarting) {
    const std::string address = "127.0.0.1:" + std::to_string(unusedPort());
    std::unique_ptr<ServerProcess> server;
    onPause_ = [&] {
        if (pauses_.size() == 2) server = serverAt(address);
        return true;
    };
    const model::KeySpec key = spec(address);
    keys::KmsKeySource source(key, context());
    EXPECT_THAT(source.create(), IsOk());
    EXPECT_EQ(pauses_.size(), 2U);
}

TEST_F(KeysKmsTest, GivesUpAfterAFewTriesAndDoesNotAskAgain) {
    const model::KeySpec key = spec("127.0.0.1:" + std::to_string(unusedPort()));
    keys::KmsKeySource source(key, context());
    EXPECT_THAT(source.create(), FailsWith(ErrorCode::KmsUnreachable));
    ASSERT_EQ(pauses_.size(), 3U);
    for (std::size_t i = 0; i < pauses_.size(); ++i) {
        EXPECT_GE(pauses_[i], 250 << i);
        EXPECT_LE(pauses_[i], 750 << i);
    }
    const auto again = source.canCreate();
    EXPECT_THAT(again, FailsWith(ErrorCode::KmsUnreachable));
    EXPECT_TRUE(again.error().retry);
    EXPECT_EQ(pauses_.size(), 3U);
}

TEST_F(KeysKmsTest, StopsWhenItIsToldTo) {
    onPause_ = [] { return false; };
    const model::KeySpec key = spec("127.0.0.1:" + std::to_string(unusedPort()));
    keys::KmsKeySource source(key, context());
    EXPECT_THAT(source.create(), FailsWith(ErrorCode::KmsUnreachable));
    EXPECT_EQ(pauses_.size(), 1U);
}

TEST_F(KeysKmsTest, ARefusalIsFinal) {
    const ServerProcess server(faultServer("hostile"));
    const model::KeySpec key = spec(server.at("127.0.0.1"));
    keys::KmsKeySource source(key, context());
    EXPECT_THAT(source.create(), FailsWith(ErrorCode::KmsRejected));
    EXPECT_TRUE(pauses_.empty());
}

TEST_F(KeysKmsTest, NeedsTheMachinesUuid) {
    std::filesystem::remove_all(directory_.file("root"));
    const model::KeySpec key = spec("127.0.0.1:1");
    keys::KmsKeySource source(key, context());
    EXPECT_THAT(source.create(), FailsWith(ErrorCode::NotFound, HasSubstr("UUID")));
}

}  // namespace
}  // namespace volumecrypt::test
