// SPDX-License-Identifier: Apache-2.0
// Policy digests against values that were computed independently, and the token's JSON.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "crypto/base64.h"
#include "crypto/digest.h"
#include "model/slot_token.h"
#include "support/result_matchers.h"
#include "tpm/policy.h"
#include "tpm/policy_key.h"
#include "tpm/response.h"
#include "tpm/sealed_key.h"

namespace volumecrypt::tpm {
namespace {

using base::fromHex;
using base::toHex;
using crypto::sha256;
using crypto::toBase64;
using test::FailsWith;
using ::testing::HasSubstr;

std::string bytes(std::string_view hex) {
    return fromHex(hex).value();
}

// The name of an RSA-4096 key, and one value for all the PCRs.
const std::string kName =
    bytes("000ba908556c9fd0278bbaa025dbe1bc308dbb1d5d9d6dfe88d85bdc15cfe1a2b3e9");
const std::string kValue =
    bytes("9c9c1058779d2bf6301b56085b26e9ae98622e1fa73eadd98b9ca3a10829c19c");

TEST(TpmPolicy, PcrsOfAnySelection) {
    EXPECT_EQ(toHex(withPcrSelection(emptyPolicy(), bytes("0a0b0c"), bytes("010305"))),
              "84d65147b05394d0fac45e3600203e3a110127fbe26fc1e30303102133f915e3");
}

TEST(TpmPolicy, SignedOnly) {
    EXPECT_EQ(toHex(sealingPolicy(kName, {})),
              "86dc2b7f5aebde57d472ddbc3d5bd5b50b156f4d6ba662c21affbfb1b2d4b984");
}

TEST(TpmPolicy, SignedThenLiteral) {
    EXPECT_EQ(toHex(sealingPolicy(kName, {{0, kValue}, {11, kValue}})),
              "14ff86f8069ce4f2c918325e2e1b7811cfc5e6278dd10b86a90416c28fe6476a");
}

TEST(TpmPolicy, PcrsInAscendingOrder) {
    const PcrValues values{{7, sha256("pcr7")}, {0, sha256("pcr0")}};
    EXPECT_EQ(toHex(sealingPolicy(kName, {{7, sha256("pcr7")}})),
              "8d45cce6d2fffbd144e35cd954fc657de7562701cecf30b6a66e1446463d0ac8");
    EXPECT_EQ(toHex(sealingPolicy(kName, values)),
              "07627cc1d83b8e2c40168867acf501af56f9ae819ee3e4eb683d9a19ddfa9fff");
}

TEST(TpmPolicy, SignedPhase) {
    // PCR 11 after three sections and three phases of a boot.
    EXPECT_EQ(
        toHex(withPcrs(
            emptyPolicy(),
            {{11, bytes("e4410db7d87d86cd42047cce0f237f964bedc902df26a557dbe158352234b131")}})),
        "a1c9d366451c82969238eb82a5282f84b6a3d499e540430ecf792083155225dd");
}

TEST(TpmPolicy, NoPolicyIsZero) {
    EXPECT_EQ(sealingPolicy("", {}), std::string(32, '\0'));
}

SealedKey sample() {
    SealedKey key;
    key.blob = "blob";
    key.pcrs = {0, 7};
    key.policyHash = sha256("policy");
    key.signer = PolicySigner{.pem = "-----BEGIN PUBLIC KEY-----\n", .pcrs = {11}};
    key.srk = std::string("\x81\0\0\x01", 4);
    key.enrolled = {{0, sha256("pcr0")}, {7, sha256("pcr7")}};
    return key;
}

TEST(TpmToken, IsWhatSystemdReads) {
    const auto json = nlohmann::json::parse(sample().toJson(model::kSystemdTpmTokenType, 3));
    EXPECT_EQ(json.at("type"), "systemd-tpm2");
    EXPECT_EQ(json.at("keyslots"), nlohmann::json::array({"3"}));
    EXPECT_EQ(json.at("tpm2-blob"), "YmxvYg==");
    EXPECT_EQ(json.at("tpm2-pcrs"), nlohmann::json::array({0, 7}));
    EXPECT_EQ(json.at("tpm2-pcr-bank"), "sha256");
    EXPECT_EQ(json.at("tpm2-primary-alg"), "ecc");
    EXPECT_EQ(json.at("tpm2-policy-hash"), toHex(sha256("policy")));
    EXPECT_EQ(json.at("tpm2-pin"), false);
    EXPECT_EQ(json.at("tpm2_pubkey_pcrs"), nlohmann::json::array({11}));
    EXPECT_EQ(json.at("tpm2_pubkey"), toBase64("-----BEGIN PUBLIC KEY-----\n"));
    EXPECT_EQ(json.at("tpm2_srk"), "gQAAAQ==");
}

TEST(TpmToken, RoundTrip) {
    const auto read = SealedKey::fromJson(sample().toJson(model::kLockedTpmTokenType, 3));
    ASSERT_THAT(read, test::IsOk());
    const SealedKey key = sample();
    EXPECT_EQ(read->blob, key.blob);
    EXPECT_EQ(read->pcrs, key.pcrs);
    EXPECT_EQ(read->policyHash, key.policyHash);
    EXPECT_EQ(read->signer, key.signer);
    EXPECT_EQ(read->srk, key.srk);
    EXPECT_EQ(read->enrolled, key.enrolled);
    EXPECT_TRUE(read->ours);
}

TEST(TpmToken, OfOthers) {
    auto json = nlohmann::json::parse(sample().toJson(model::kSystemdTpmTokenType, 3));
    json.erase("volumecrypt_pcr_values");
    const auto theirs = SealedKey::fromJson(json.dump());
    ASSERT_THAT(theirs, test::IsOk());
    EXPECT_FALSE(theirs->ours);
    const auto refused = [&](const std::string &member, const nlohmann::json &value) {
        nlohmann::json changed = json;
        changed[member] = value;
        return SealedKey::fromJson(changed.dump());
    };
    EXPECT_THAT(refused("tpm2-pin", true),
                FailsWith(base::ErrorCode::Unsupported, HasSubstr("PIN")));
    EXPECT_THAT(refused("tpm2-blob", nlohmann::json::array({"YQ==", "Yg=="})),
                FailsWith(base::ErrorCode::Unsupported, HasSubstr("several parts")));
    EXPECT_THAT(refused("tpm2_pcrlock", true),
                FailsWith(base::ErrorCode::Unsupported, HasSubstr("pcrlock")));
    EXPECT_THAT(refused("tpm2-pcr-bank", "sha1"),
                FailsWith(base::ErrorCode::Unsupported, HasSubstr("bank")));
    json.erase("tpm2_srk");
    EXPECT_THAT(SealedKey::fromJson(json.dump()),
                FailsWith(base::ErrorCode::Unsupported, HasSubstr("storage root key")));
}

TEST(TpmToken, Damaged) {
    const auto json = nlohmann::json::parse(sample().toJson(model::kSystemdTpmTokenType, 3));
    for (const auto &[member, value] : json.items()) {
        if (member == "type" || member == "keyslots") continue;
        for (const nlohmann::json &wrong :
             {nlohmann::json("\xC3\xA4"), nlohmann::json(-1), nlohmann::json(nullptr),
              nlohmann::json::array({99}), nlohmann::json{{"99", "00"}}}) {
            nlohmann::json changed = json;
            changed[member] = wrong;
            // Refused, or read as something else, but never a crash.
            const auto result = SealedKey::fromJson(changed.dump());
            if (member != "tpm2-primary-alg" || !wrong.is_string()) {
                EXPECT_FALSE(result) << member << " " << wrong;
            }
        }
    }
    for (const char *text : {"{", "[]", "7"})
        EXPECT_THAT(SealedKey::fromJson(text), FailsWith(base::ErrorCode::HeaderCorrupt)) << text;
    EXPECT_THAT(SealedKey::fromJson(std::string(120'000, '[')),
                FailsWith(base::ErrorCode::HeaderCorrupt));
    for (const nlohmann::json &pcr : {nlohmann::json(1e30), nlohmann::json(7.0),
                                      nlohmann::json(4294967303), nlohmann::json(true)}) {
        nlohmann::json changed = json;
        changed["tpm2-pcrs"] = nlohmann::json::array({pcr});
        EXPECT_THAT(SealedKey::fromJson(changed.dump()),
                    FailsWith(base::ErrorCode::HeaderCorrupt, HasSubstr("tpm2-pcrs")))
            << pcr;
    }
}

TEST(TpmSignature, IsFoundByKeyPcrsAndPolicy) {
    PolicyKey key;
    key.fingerprint = sha256("key");
    const std::string policy = sha256("policy");
    const auto file = [&](const std::string &print, const std::string &pol) {
        return nlohmann::json{{"sha256",
                               {{{"pcrs", {11}},
                                 {"pkfp", toHex(print)},
                                 {"pol", toHex(pol)},
                                 {"sig", toBase64("signature")}}}}}
            .dump();
    };
    const auto found = findSignature(file(key.fingerprint, policy), key, {11}, policy);
    ASSERT_THAT(found, test::IsOk());
    EXPECT_EQ(*found, "signature");
    EXPECT_THAT(findSignature(file(sha256("other"), policy), key, {11}, policy),
                FailsWith(base::ErrorCode::PcrMismatch, HasSubstr("fingerprint does not match")));
    EXPECT_THAT(findSignature(file(key.fingerprint, sha256("x")), key, {11}, policy),
                FailsWith(base::ErrorCode::PcrMismatch, HasSubstr("no signatures matching")));
    EXPECT_THAT(findSignature(file(key.fingerprint, policy), key, {12}, policy),
                FailsWith(base::ErrorCode::PcrMismatch));
    auto unordered = nlohmann::json::parse(file(key.fingerprint, policy));
    unordered["sha256"][0]["pcrs"] = {12, 11, 11};
    EXPECT_THAT(findSignature(unordered.dump(), key, {11, 12}, policy), test::IsOk());
    EXPECT_THAT(findSignature("[]", key, {11}, policy), FailsWith(base::ErrorCode::InvalidConfig));
    EXPECT_THAT(findSignature(std::string(120'000, '['), key, {11}, policy),
                FailsWith(base::ErrorCode::InvalidConfig));
    for (const nlohmann::json &pcr :
         {nlohmann::json(1e30), nlohmann::json(-1), nlohmann::json(4294967307)}) {
        unordered["sha256"][0]["pcrs"] = nlohmann::json::array({pcr});
        EXPECT_THAT(findSignature(unordered.dump(), key, {11}, policy),
                    FailsWith(base::ErrorCode::InvalidConfig, HasSubstr("pcrs")))
            << pcr;
    }
}

TEST(TpmResponse, EachCauseHasItsError) {
    const auto code = [](std::uint32_t response) { return responseError("x", response).code; };
    EXPECT_EQ(code(0x921), base::ErrorCode::TpmLockout);
    EXPECT_EQ(code(0x99D), base::ErrorCode::PcrMismatch) << "policy check failed, session 1";
    EXPECT_EQ(code(0x1DF), base::ErrorCode::ForeignTpm) << "integrity check failed, parameter 1";
    EXPECT_EQ(code(0xC0921), base::ErrorCode::TpmLockout) << "by way of a resource manager";
    EXPECT_EQ(code(0x101), base::ErrorCode::TpmUnavailable);
    EXPECT_EQ(code(0xA000A), base::ErrorCode::TpmUnavailable) << "the interface's own error";
    EXPECT_TRUE(responseError("x", 0xA000A).retry);
    EXPECT_FALSE(responseError("x", 0x101).retry);
    EXPECT_THAT(responseError("unseal", 0x921).message, HasSubstr("unseal: "));
    EXPECT_THAT(responseError("unseal", 0x9A2).hint, HasSubstr("owner hierarchy"));
    EXPECT_TRUE(isPcrChanged(0x128));
    EXPECT_TRUE(isNoSuchHandle(0x18B));
}

TEST(TpmDigest, Hexadecimal) {
    for (const std::string text : {"", "a", "abc"}) EXPECT_EQ(fromHex(toHex(text)), text);
    EXPECT_EQ(fromHex("0"), std::nullopt);
    EXPECT_EQ(fromHex("0g"), std::nullopt);
}

}  // namespace
}  // namespace volumecrypt::tpm
