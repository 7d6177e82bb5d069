// SPDX-License-Identifier: Apache-2.0
// Tag 9 of META: what Talos writes goes through unchanged, and nothing else comes in.
#include <gtest/gtest.h>

#include "config/loader.h"
#include "meta/state_encryption.h"
#include "meta/state_spec.h"
#include "support/result_matchers.h"

namespace volumecrypt::meta {
namespace {

using base::ErrorCode;
using base::SecretBuffer;
using test::FailsWith;
using test::IsOk;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char *kKeys =
    R"([{"KeySlot":0,"KeyStatic":{"KeyData":"secret"},"KeyNodeID":null,"KeyKMS":null,"KeyTPM":null,"KeyLockToSTATE":null},{"KeySlot":0,"KeyStatic":null,"KeyNodeID":{},"KeyKMS":null,"KeyTPM":null,"KeyLockToSTATE":null}])";
constexpr const char *kRest =
    R"(,"EncryptionCipher":"aes-xts-plain64","EncryptionKeySize":0,"EncryptionBlockSize":0,"EncryptionPerfOptions":null)";
constexpr const char *kBegin = R"({"EncryptionProvider":"luks2","EncryptionKeys":)";
constexpr const char *kNew = R"(,"EncryptionAllowDiscards":null})";
// Of the older layout.
constexpr const char *kOld =
    R"({"EncryptionProvider":"","EncryptionKeys":[{"KeyStatic":{"KeyData":"secret"},"KeyNodeID":null,"KeyKMS":null,"KeySlot":0,"KeyTPM":null},{"KeyStatic":null,"KeyNodeID":{},"KeyKMS":null,"KeySlot":0,"KeyTPM":null}],"EncryptionCipher":"aes-xts-plain64","EncryptionKeySize":0,"EncryptionBlockSize":0,"EncryptionPerfOptions":null})";

std::string plainText(const SecretBuffer &secret) {
    return {secret.chars(), secret.size()};
}

std::string formatted(const StateEncryption &encryption) {
    const auto written = formatStateEncryption(&encryption);
    return written ? plainText(*written) : "(" + written.error().message + ")";
}

// One key, as META has it.
std::string keyed(const std::string &key, const std::string &more = {}) {
    return R"({"EncryptionProvider":"luks2","EncryptionKeys":[)" + key + "]" + more + "}";
}

base::Result<model::EncryptionSpec> specIn(const std::string &json) {
    VC_ASSIGN(const auto parsed, parseStateEncryption(json));
    if (!parsed) return base::fail(ErrorCode::NotFound, "nothing");
    return specOf(*parsed);
}

TEST(StateEncryption, WhatTalosWroteGoesThroughUnchanged) {
    const std::string modern = std::string(kBegin) + kKeys + kRest;
    for (const std::string &json : {modern + "}", modern + kNew, std::string(kOld)}) {
        const auto parsed = parseStateEncryption(json);
        ASSERT_THAT(parsed, IsOk());
        ASSERT_TRUE(*parsed);
        EXPECT_EQ(formatted(**parsed), modern + kNew) << "in the layout of 1.14";
    }
    EXPECT_EQ(plainText(*formatStateEncryption(nullptr)), "null");
    EXPECT_FALSE(*parseStateEncryption("null"));
    EXPECT_FALSE(*parseStateEncryption(R"({"EncryptionProvider":"none","EncryptionKeys":null})"));
}

// Whoever holds the disk names files, interfaces and servers' certificates: none of them arrives.
TEST(StateEncryption, FilesAndInterfacesAreNotRead) {
    const auto spec = specIn(keyed(
        R"({"KeySlot":0,"KeyStatic":{"KeyData":"s3cret","PassphraseFile":"/etc/shadow"}},
           {"KeySlot":1,"KeyKMS":{"KMSEndpoint":"grpcs://kms:4050","CAFile":"/tmp/ca","ClientCertFile":"/tmp/c","ClientKeyFile":"/tmp/k"}},
           {"KeySlot":2,"KeyTPM":{"TCTI":"cmd:touch /tmp/ran","SignedPolicy":{"PublicKey":"/tmp/pem","PCRs":[11]}}})",
        R"(,"UnmanagedKeySlots":[5],"UnmanagedSlots":"remove","TPMReseal":"auto")"));
    ASSERT_THAT(spec, IsOk());
    ASSERT_EQ(spec->keys.size(), 3U) << "UnmanagedKeySlots is none of Talos' fields";
    const auto &fixed = std::get<model::StaticKey>(spec->keys[0].parameters);
    EXPECT_EQ(plainText(fixed.passphrase), "s3cret");
    EXPECT_EQ(fixed.passphraseFile, "");
    const auto &kms = std::get<model::KmsKey>(spec->keys[1].parameters);
    EXPECT_EQ(kms.endpoint, "grpcs://kms:4050");
    EXPECT_EQ(kms.caFile + kms.clientCertFile + kms.clientKeyFile, "");
    const auto &tpm = std::get<model::TpmKey>(spec->keys[2].parameters);
    EXPECT_EQ(tpm.tcti, "");
    EXPECT_FALSE(tpm.signedPolicy);
    EXPECT_EQ(spec->unmanagedSlots, model::UnmanagedSlots::Keep);
    EXPECT_EQ(spec->tpmReseal, model::TpmReseal::IfStrong);
}

TEST(StateEncryption, KeysWithoutAPassphraseAreLeftOut) {
    const std::string file =
        R"({"KeySlot":3,"KeyStatic":{"KeyData":"","PassphraseFile":"/etc/k"}})";
    EXPECT_THAT(specIn(keyed(file)), FailsWith(ErrorCode::HeaderCorrupt));
    const std::string both = keyed(file + R"(,{"KeySlot":4,"KeyNodeID":{}})");
    const auto spec = specIn(both);
    ASSERT_THAT(spec, IsOk());
    ASSERT_EQ(spec->keys.size(), 1U);
    EXPECT_EQ(spec->keys[0].slot, 4U);
    EXPECT_THAT(slotsWithoutPassphrase(**parseStateEncryption(both)), ElementsAre(3U));
}

std::vector<unsigned> pcrsOf(const std::string &tpm) {
    const auto spec = specIn(keyed(R"({"KeySlot":3,"KeyTPM":)" + tpm + "}"));
    if (!spec) return {99};
    return std::get<model::TpmKey>(spec->keys.at(0).parameters).pcrs;
}

TEST(StateEncryption, TpmOptionsAsTalosResolvesThem) {
    EXPECT_THAT(pcrsOf(R"({"TPMOptions":null,"TPMCheckSecurebootStatusOnEnroll":null})"),
                ElementsAre(7U));
    EXPECT_THAT(pcrsOf(R"({"TPMCheckSecurebootStatusOnEnroll":true})"), ElementsAre(7U));
    EXPECT_THAT(pcrsOf(R"({"TPMOptions":{"PCRs":null}})"), ElementsAre());
    EXPECT_THAT(pcrsOf(R"({"TPMOptions":{"PCRs":[]}})"), ElementsAre());
    EXPECT_THAT(pcrsOf(R"({"TPMOptions":{"PCRs":[7,0,7]}})"), ElementsAre(0U, 7U));
    for (const char *wrong : {"[24]", "[1e30]", "[-1]", "[4294967296]", "[7.0]", R"(["7"])", "7"})
        EXPECT_THAT(pcrsOf(R"({"TPMOptions":{"PCRs":)" + std::string(wrong) + "}}"),
                    ElementsAre(99U))
            << wrong;
}

TEST(StateEncryption, WhatCannotBeUsedIsRefused) {
    const auto key = [](const std::string &more) {
        return keyed(R"({"KeyNodeID":{})" + more + "}");
    };
    const auto field = [](const std::string &more) {
        return keyed(R"({"KeyNodeID":{}})", "," + more);
    };
    std::string deep = keyed(std::string(120'000, '[') + std::string(120'000, ']'));
    for (const std::string &wrong :
         {std::string(),
          std::string("[]"),
          std::string("{}"),
          std::string(R"({"EncryptionKeys":[]})"),
          std::string(R"({"EncryptionProvider":"luks1","EncryptionKeys":[{"KeyNodeID":{}}]})"),
          keyed(R"({"KeySlot":0})"),
          key(R"(,"KeySlot":32)"),
          key(R"(,"KeySlot":-1)"),
          key(R"(,"KeySlot":"0")"),
          key(R"(,"KeySlot":1e30)"),
          key(R"(,"KeySlot":0.5)"),
          key(R"(,"KeyLockToSTATE":true)"),
          key(R"(,"KeyLockToSTATE":1)"),
          keyed(R"({"KeyNodeID":{}},{"KeyNodeID":{}})"),
          field(R"("EncryptionCipher":"cipher_null-ecb")"),
          field(R"("EncryptionKeySize":128)"),
          field(R"("EncryptionKeySize":1e30)"),
          field(R"("EncryptionBlockSize":100)"),
          field(R"("EncryptionBlockSize":4294967296)"),
          field(R"("EncryptionPerfOptions":["x"])"),
          field(R"("EncryptionPerfOptions":"no_read_workqueue")"),
          field(R"("EncryptionAllowDiscards":"yes")"),
          deep,
          field(R"("x":)" + deep)})
        EXPECT_THAT(specIn(wrong),
                    FailsWith(ErrorCode::HeaderCorrupt,
                              HasSubstr("error unmarshalling state encryption meta key: ")))
            << wrong.substr(0, 100);
}

TEST(StateEncryption, ErrorsRepeatNothingOfIt) {
    for (const char *field : {"EncryptionCipher", "EncryptionProvider"}) {
        const auto refused = specIn(R"({"EncryptionKeys":[{"KeyNodeID":{}}],")" +
                                    std::string(field) + R"(":"\u001b[2Js3cret"})");
        ASSERT_THAT(refused, FailsWith(ErrorCode::HeaderCorrupt));
        EXPECT_THAT(refused.error().message, Not(HasSubstr("s3cret"))) << field;
    }
}

TEST(StateEncryption, PassphrasesAreHidden) {
    const std::string shown = redactedStateEncryption(std::string(kBegin) + kKeys + kRest + kNew);
    EXPECT_THAT(shown, Not(HasSubstr("secret")));
    EXPECT_THAT(shown, HasSubstr("(hidden)"));
    EXPECT_EQ(redactedStateEncryption("secret"), "(unreadable)");
    EXPECT_EQ(redactedStateEncryption("null"), "null");
    // Talos would take these names as well; what is not read is not shown.
    const std::string other = redactedStateEncryption(
        keyed(R"({"KeySlot":0,"keystatic":{"keydata":"secret"},"KeyNodeID":{},"Note":"secret"})"));
    EXPECT_THAT(other, Not(HasSubstr("secret")));
}

// ---- what a document becomes in META

std::string writtenFor(const std::string &encryption) {
    const config::Configuration read = config::parse(
        "apiVersion: v1alpha1\nkind: VolumeConfig\nname: STATE\nencryption: " + encryption + "\n",
        "state.yaml", config::Secrets::Keep);
    if (read.volumes.size() != 1 || !read.volumes[0].encryption)
        return read.problems.empty() ? "(nothing)" : read.problems[0].message;
    return formatted(stateEncryptionOf(*read.volumes[0].encryption));
}

std::string talos(const std::string &keys, const std::string &rest) {
    return kBegin + ("[" + keys + "]") + rest;
}

constexpr const char *kUnset =
    R"(,"EncryptionCipher":"","EncryptionKeySize":0,"EncryptionBlockSize":0,"EncryptionPerfOptions":null,"EncryptionAllowDiscards":null})";

std::string keyJson(unsigned slot, const std::string &kind, const std::string &value,
                    const std::string &lock = "null") {
    std::string json = R"({"KeySlot":)" + std::to_string(slot);
    for (const char *name : {"KeyStatic", "KeyNodeID", "KeyKMS", "KeyTPM"})
        json += std::string(",\"") + name + "\":" + (name == kind ? value : "null");
    return json + R"(,"KeyLockToSTATE":)" + lock + "}";
}

TEST(StateEncryption, DocumentsAreWrittenByteForByte) {
    const std::string node = keyJson(0, "KeyNodeID", "{}");
    EXPECT_EQ(writtenFor("{provider: luks2, keys: [{nodeID: {}, slot: 0}]}"), talos(node, kUnset));
    EXPECT_EQ(
        writtenFor("{provider: luks2, keys: [{nodeID: {}, slot: 0}], cipher: aes-xts-plain64,"
                   " keySize: 512, blockSize: 4096, options: [no_read_workqueue,"
                   " same_cpu_crypt], allowDiscards: true}"),
        talos(
            node,
            R"(,"EncryptionCipher":"aes-xts-plain64","EncryptionKeySize":512,"EncryptionBlockSize":4096,"EncryptionPerfOptions":["no_read_workqueue","same_cpu_crypt"],"EncryptionAllowDiscards":true})"));
    EXPECT_EQ(
        writtenFor("{provider: luks2, keys: [{nodeID: {}, slot: 0}], cipher: \"\","
                   " keySize: 0, options: [], allowDiscards: false}"),
        talos(
            node,
            R"(,"EncryptionCipher":"","EncryptionKeySize":0,"EncryptionBlockSize":0,"EncryptionPerfOptions":[],"EncryptionAllowDiscards":false})"));
    EXPECT_EQ(
        writtenFor("{provider: luks2, keys: [{nodeID: {}, slot: 7}, {slot: 2, static:"
                   " {passphrase: 'a<b>&\"\\\xc3\xa9'}, lockToState: false},"
                   " {slot: 5, kms: {endpoint: 'grpc://10.0.0.1:4050'}}]}"),
        talos(keyJson(7, "KeyNodeID", "{}") + "," +
                  keyJson(2, "KeyStatic", R"({"KeyData":"a\u003cb\u003e\u0026\"\\é"})", "false") +
                  "," + keyJson(5, "KeyKMS", R"({"KMSEndpoint":"grpc://10.0.0.1:4050"})"),
              kUnset))
        << "in the order of the document";
}

TEST(StateEncryption, TpmKeysAreWrittenAsDeclared) {
    const auto tpm = [](const std::string &options, const std::string &check) {
        return talos(keyJson(1, "KeyTPM",
                             R"({"TPMOptions":)" + options +
                                 R"(,"TPMCheckSecurebootStatusOnEnroll":)" + check + "}"),
                     kUnset);
    };
    const auto written = [](const std::string &key) {
        return writtenFor("{keys: [{slot: 1, tpm: " + key + "}]}");
    };
    EXPECT_EQ(written("{}"), tpm("null", "null"));
    EXPECT_EQ(written("{options: {}}"), tpm(R"({"PCRs":null})", "null"));
    EXPECT_EQ(written("{options: {pcrs: []}}"), tpm(R"({"PCRs":[]})", "null"));
    EXPECT_EQ(written("{options: {pcrs: [7, 0]}, checkSecurebootStatusOnEnroll: true}"),
              tpm(R"({"PCRs":[7,0]})", "true"));
    EXPECT_EQ(written("{checkSecurebootStatusOnEnroll: false, tcti: 'device:/dev/tpmrm0'}"),
              tpm("null", "false"))
        << "interfaces are not for the disk to know";
}

// With an empty passphrase they would be the key of whoever tries it.
TEST(StateEncryption, KeysThatTalosHasNoWordsForAreNotWritten) {
    EXPECT_EQ(writtenFor("{keys: [{slot: 0, static: {passphraseFile: /etc/key}}]}"),
              talos("", kUnset));
    EXPECT_EQ(writtenFor("{keys: [{slot: 0, static: {passphraseFile: /etc/key}}, {slot: 1,"
                         " nodeID: {}}, {slot: 2, unmanaged: {}}], unmanagedSlots: remove,"
                         " tpmReseal: manual}"),
              talos(keyJson(1, "KeyNodeID", "{}"), kUnset));
}

}  // namespace
}  // namespace volumecrypt::meta
