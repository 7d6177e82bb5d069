// SPDX-License-Identifier: Apache-2.0
// META: images and JSON that Talos itself made, torn writes, the older format.
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "base/files.h"
#include "keys/digests.h"
#include "meta/adv.h"
#include "meta/meta_store.h"
#include "meta/state_encryption.h"
#include "support/result_matchers.h"
#include "support/temp_dir.h"

namespace volumecrypt::meta {
namespace {

using base::ErrorCode;
using base::SecretBuffer;
using test::FailsWith;
using test::IsOk;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

// Written by Talos 1.11 and later.
constexpr const char *kModern =
    R"({"EncryptionProvider":"luks2","EncryptionKeys":[{"KeySlot":0,"KeyStatic":{"KeyData":"secret"},"KeyNodeID":null,"KeyKMS":null,"KeyTPM":null,"KeyLockToSTATE":null},{"KeySlot":0,"KeyStatic":null,"KeyNodeID":{},"KeyKMS":null,"KeyTPM":null,"KeyLockToSTATE":null}],"EncryptionCipher":"aes-xts-plain64","EncryptionKeySize":0,"EncryptionBlockSize":0,"EncryptionPerfOptions":null})";
// And before.
constexpr const char *kOld =
    R"({"EncryptionProvider":"","EncryptionKeys":[{"KeyStatic":{"KeyData":"secret"},"KeyNodeID":null,"KeyKMS":null,"KeySlot":0,"KeyTPM":null},{"KeyStatic":null,"KeyNodeID":{},"KeyKMS":null,"KeySlot":0,"KeyTPM":null}],"EncryptionCipher":"aes-xts-plain64","EncryptionKeySize":0,"EncryptionBlockSize":0,"EncryptionPerfOptions":null})";

std::string text(const SecretBuffer &secret) {
    return {secret.chars(), secret.size()};
}

std::string hexDigest(const std::string &bytes) {
    std::string hex;
    for (const char c : keys::sha256(bytes)) {
        char two[3];
        std::snprintf(two, sizeof two, "%02x", static_cast<unsigned char>(c));
        hex += two;
    }
    return hex;
}

Tags oneTag(std::uint32_t tag, const std::string &value) {
    Tags tags;
    tags.emplace(tag, SecretBuffer::copyOf(value));
    return tags;
}

struct Image {
    std::uint32_t tag;  // 0: no tag
    std::string value;
    std::string one, both;
};

class TalosImage : public ::testing::TestWithParam<Image> {};

TEST_P(TalosImage, IsMadeByteForByte) {
    const Image &wanted = GetParam();
    const Tags tags = wanted.tag == 0 ? Tags() : oneTag(wanted.tag, wanted.value);
    const auto copy = encodeCopy(tags);
    ASSERT_THAT(copy, IsOk());
    EXPECT_EQ(hexDigest(text(*copy)), wanted.one);
    EXPECT_EQ(hexDigest(text(*copy) + text(*copy)), wanted.both);
    const auto back = decodeCopy(copy->bytes());
    ASSERT_THAT(back, IsOk());
    EXPECT_TRUE(*back == tags);
}

INSTANTIATE_TEST_SUITE_P(
    Vectors, TalosImage,
    ::testing::Values(
        Image{0, "", "befee9ff7877356cbac0a6fe13544c0182d13773281cdf00576a906f2a2ec155",
              "953fd0a895d7c59e2f15b9dd7edccab926df18b468792bd7f0b572fb0cdec872"},
        Image{10, "val1", "6a87822183b0113b82f415e28d9a5b785dfddcc7931283bbda61d4f819c7f52b",
              "050ce615be26945ab8f29d62951342f1d4c9aef46568f4af82a9a115b9ceea52"},
        Image{9, "null", "6056965ce7cd451b8a14d97d21ce30b28feee05e5a17cbdc0ee3df565c6e4bfc",
              "236f66126060eebc3dc8db25b5f7d327cb1a0b2f5880d89125d34480cf3a7a11"},
        Image{9, kModern, "7a07683eb61ffd73793fa184b4dd4168f5d84801250bc88e319858d78b50bd1c",
              "037f95bd5117d12c804edf2540bd23cd15d62dee7a856ad391007bbc25291a59"}));

TEST(Adv, DamageIsSeen) {
    SecretBuffer copy = std::move(*encodeCopy(oneTag(9, "null")));
    for (const std::size_t at :
         {std::size_t{0}, std::size_t{5}, std::size_t{1000}, kCopySize - 36, kCopySize - 1}) {
        copy.bytes()[at] ^= std::byte{1};
        EXPECT_THAT(decodeCopy(copy.bytes()), FailsWith(ErrorCode::HeaderCorrupt)) << at;
        copy.bytes()[at] ^= std::byte{1};
    }
    EXPECT_THAT(decodeCopy(copy.bytes()), IsOk());
}

TEST(Adv, FullToTheLastByte) {
    constexpr std::size_t capacity = 262104;
    EXPECT_THAT(encodeCopy(oneTag(12, std::string(capacity - 8, 'x'))), IsOk());
    EXPECT_THAT(encodeCopy(oneTag(12, std::string(capacity - 7, 'x'))),
                FailsWith(ErrorCode::NoSpace));
}

// Tag 6 with the value "A", twice.
std::string syslinuxArea() {
    std::string copy(512, '\0');
    const auto put = [&copy](std::size_t at, const std::string &bytes) {
        copy.replace(at, bytes.size(), bytes);
    };
    put(0, "\xa5\x2f\x2d\x5a");
    put(4, "\x61\x16\xc3\xa2");
    put(8, std::string("\x06\x01", 2) + "A");
    put(508, "\x64\xbf\x28\xdd");
    return copy + copy;
}

TEST(Adv, OlderFormatIsRead) {
    const std::string area = syslinuxArea();
    EXPECT_EQ(hexDigest(area), "ba95677688641372ac14a9c2f77dc89e053f9a0e086fc89d711a3e08b1331d60");
    const Tags tags = decodeLegacy(std::as_bytes(std::span(area)));
    ASSERT_EQ(tags.size(), 1U);
    EXPECT_EQ(text(tags.at(6)), "A");
    const std::string zeros(kLegacySize, '\0');
    EXPECT_TRUE(decodeLegacy(std::as_bytes(std::span(zeros))).empty());
}

class MetaStoreTest : public testing::Test {
  protected:
    MetaStoreTest() { write(std::string(kSize, '\0')); }
    void write(const std::string &bytes) const {
        std::ofstream(path_, std::ios::binary | std::ios::trunc) << bytes;
    }
    [[nodiscard]] std::string bytes() const { return *base::readFile(path_); }
    base::Result<bool> set(std::uint32_t tag, const std::string &value) const {
        return writeTag(path_, tag, SecretBuffer::copyOf(value));
    }
    void spoil(std::size_t copy) const {
        std::string all = bytes();
        all[copy * kCopySize + 100] ^= 1;
        write(all);
    }

    static constexpr std::size_t kSize = std::size_t{1} << 20;
    test::TempDir directory_;
    std::string path_ = directory_.file("meta");
};

TEST_F(MetaStoreTest, ZeroedIsEmptyAndStaysSo) {
    EXPECT_TRUE(readMeta(path_)->empty());
    EXPECT_FALSE(*writeTag(path_, 9, std::nullopt));
    EXPECT_EQ(bytes(), std::string(kSize, '\0'));
}

TEST_F(MetaStoreTest, OtherTagsAndTheOlderFormatAreKept) {
    std::string all = bytes();
    all.replace(kSize - 1024, 1024, syslinuxArea());
    write(all);
    EXPECT_TRUE(*set(15, "0123"));
    EXPECT_TRUE(*set(9, "null"));
    EXPECT_FALSE(*set(9, "null")) << "nothing differs, nothing is written";
    const auto tags = readMeta(path_);
    ASSERT_THAT(tags, IsOk());
    EXPECT_EQ(text(tags->at(15)), "0123");
    EXPECT_EQ(text(tags->at(9)), "null");
    EXPECT_EQ(text(tags->at(6)), "A");
    EXPECT_EQ(bytes().substr(0, kCopySize), bytes().substr(kCopySize, kCopySize));
    EXPECT_EQ(bytes().substr(kSize - 1024), syslinuxArea());
    EXPECT_TRUE(*writeTag(path_, 9, std::nullopt));
    EXPECT_FALSE(readMeta(path_)->contains(9));
    EXPECT_TRUE(readMeta(path_)->contains(15));
}

TEST_F(MetaStoreTest, EitherCopyIsEnough) {
    ASSERT_THAT(set(9, "one"), IsOk());
    spoil(0);
    EXPECT_EQ(text(readMeta(path_)->at(9)), "one");
    EXPECT_TRUE(*set(9, "one")) << "the damaged copy is made good";
    spoil(1);
    EXPECT_EQ(text(readMeta(path_)->at(9)), "one");
    EXPECT_TRUE(*set(9, "two"));
    spoil(0);
    EXPECT_EQ(text(readMeta(path_)->at(9)), "two");
}

TEST_F(MetaStoreTest, HalfAnUpdateIsFinished) {
    ASSERT_THAT(set(9, "old"), IsOk());
    const std::string old = bytes();
    ASSERT_THAT(set(9, "new"), IsOk());
    write(bytes().substr(0, kCopySize) + old.substr(kCopySize));
    EXPECT_EQ(text(readMeta(path_)->at(9)), "new");
    EXPECT_TRUE(*set(9, "new"));
    EXPECT_EQ(bytes().substr(0, kCopySize), bytes().substr(kCopySize, kCopySize));
}

TEST_F(MetaStoreTest, SomethingElseIsNotWrittenTo) {
    for (const std::string &other :
         {"a file system" + std::string(kSize, '\0'), std::string(4096, '\0')}) {
        write(other);
        EXPECT_THAT(readMeta(path_), FailsWith(ErrorCode::HeaderCorrupt));
        EXPECT_THAT(set(9, "null"), FailsWith(ErrorCode::HeaderCorrupt));
        EXPECT_EQ(bytes(), other);
    }
    ASSERT_NO_FATAL_FAILURE(write(std::string(kSize, '\0')));
    ASSERT_THAT(set(9, "x"), IsOk());
    spoil(0);
    spoil(1);
    EXPECT_THAT(set(9, "null"), FailsWith(ErrorCode::HeaderCorrupt, HasSubstr("damaged")));
}

TEST(StateEncryption, JsonOfTalosGoesThroughUnchanged) {
    const auto spec = parseStateEncryption(kModern);
    ASSERT_THAT(spec, IsOk());
    ASSERT_TRUE(*spec);
    ASSERT_EQ((*spec)->keys.size(), 2U);
    EXPECT_EQ(text(std::get<model::StaticKey>((*spec)->keys[0].parameters).passphrase), "secret");
    EXPECT_EQ((*spec)->keys[1].kind(), model::KeyKind::NodeId);
    EXPECT_EQ((*spec)->keyBits, 512U);
    EXPECT_EQ(text(*formatStateEncryption(&**spec)), kModern);
    const auto old = parseStateEncryption(kOld);
    ASSERT_THAT(old, IsOk());
    EXPECT_EQ(text(*formatStateEncryption(&**old)), kModern) << "written in the present layout";
    EXPECT_EQ(text(*formatStateEncryption(nullptr)), "null");
    EXPECT_FALSE(*parseStateEncryption("null"));
    EXPECT_FALSE(*parseStateEncryption(R"({"EncryptionProvider":"none","EncryptionKeys":null})"));
}

// The `EncryptionKeys` of a volume with this one key.
std::string keyText(model::KeySpec key) {
    model::EncryptionSpec spec;
    spec.keys.push_back(std::move(key));
    const std::string all = text(*formatStateEncryption(&spec));
    const std::size_t from = all.find('[') + 1;
    return all.substr(from, all.find("],\"EncryptionCipher") - from);
}

TEST(StateEncryption, KeysAsGoEncodesThem) {
    model::TpmKey tpm{.pcrs = {0, 7}, .signedPolicy = {}, .checkSecurebootStatusOnEnroll = true};
    EXPECT_EQ(
        keyText({1, std::move(tpm), true, {}}),
        R"({"KeySlot":1,"KeyStatic":null,"KeyNodeID":null,"KeyKMS":null,"KeyTPM":{"TPMOptions":{"PCRs":[0,7]},"TPMCheckSecurebootStatusOnEnroll":true},"KeyLockToSTATE":true})");
    model::KmsKey kms{.endpoint = "grpc://10.0.0.1:4050"};
    EXPECT_EQ(
        keyText({0, std::move(kms), false, {}}),
        R"({"KeySlot":0,"KeyStatic":null,"KeyNodeID":null,"KeyKMS":{"KMSEndpoint":"grpc://10.0.0.1:4050"},"KeyTPM":null,"KeyLockToSTATE":null})");
    model::StaticKey fixed{.passphrase = SecretBuffer::copyOf("a<b>&\"\\\xc3\xa9"),
                           .passphraseFile = {}};
    EXPECT_THAT(keyText({0, std::move(fixed), false, {}}),
                HasSubstr(R"({"KeyData":"a\u003cb\u003e\u0026\"\\é"})"));
}

std::vector<unsigned> pcrsOf(const std::string &tpm) {
    const auto spec = parseStateEncryption(
        R"({"EncryptionProvider":"luks2","EncryptionKeys":[{"KeySlot":3,"KeyTPM":)" + tpm + "}]}");
    if (!spec || !*spec) return {99};
    return std::get<model::TpmKey>((*spec)->keys.at(0).parameters).pcrs;
}

TEST(StateEncryption, TpmOptionsAsTalosResolvesThem) {
    EXPECT_THAT(pcrsOf(R"({"TPMOptions":null,"TPMCheckSecurebootStatusOnEnroll":null})"),
                ElementsAre(7U));
    EXPECT_THAT(pcrsOf(R"({"TPMCheckSecurebootStatusOnEnroll":true})"), ElementsAre(7U));
    EXPECT_THAT(pcrsOf(R"({"TPMOptions":{"PCRs":null}})"), ElementsAre());
    EXPECT_THAT(pcrsOf(R"({"TPMOptions":{"PCRs":[]}})"), ElementsAre());
    EXPECT_THAT(pcrsOf(R"({"TPMOptions":{"PCRs":[7,0,7]}})"), ElementsAre(0U, 7U));
    EXPECT_THAT(pcrsOf(R"({"TPMOptions":{"PCRs":[24]}})"), ElementsAre(99U));
}

TEST(StateEncryption, OurOwnFieldsComeBack) {
    model::EncryptionSpec spec;
    spec.cipher = "xchacha12,aes-adiantum-plain64";
    spec.keyBits = 256;
    spec.sectorSize = 4096;
    spec.allowDiscards = true;
    spec.options = {model::PerformanceOption::SameCpuCrypt};
    spec.unmanagedSlots = model::UnmanagedSlots::Remove;
    spec.tpmReseal = model::TpmReseal::Manual;
    spec.keys.push_back(
        {2, model::StaticKey{.passphrase = {}, .passphraseFile = "/etc/key"}, false, {}});
    spec.keys.push_back({5, model::UnmanagedKey{}, false, {}});
    const std::string json = text(*formatStateEncryption(&spec));
    EXPECT_THAT(json, Not(HasSubstr("\"KeySlot\":5")));
    const auto back = parseStateEncryption(json);
    ASSERT_THAT(back, IsOk());
    EXPECT_EQ(text(*formatStateEncryption(&**back)), json);
    EXPECT_EQ((*back)->keys.size(), 2U);
    EXPECT_EQ((*back)->keys[1].kind(), model::KeyKind::Unmanaged);
    EXPECT_EQ((*back)->sectorSize, 4096U);
}

TEST(StateEncryption, WhatCannotBeUsedIsRefused) {
    for (const char *wrong :
         {"", "[]", "{}", R"({"EncryptionProvider":"luks1","EncryptionKeys":[{"KeyNodeID":{}}]})",
          R"({"EncryptionKeys":[]})", R"({"EncryptionKeys":[{"KeySlot":0}]})",
          R"({"EncryptionKeys":[{"KeySlot":32,"KeyNodeID":{}}]})",
          R"({"EncryptionKeys":[{"KeySlot":-1,"KeyNodeID":{}}]})",
          R"({"EncryptionKeys":[{"KeySlot":"0","KeyNodeID":{}}]})",
          R"({"EncryptionKeys":[{"KeyNodeID":{}}],"EncryptionCipher":"cipher_null-ecb"})",
          R"({"EncryptionKeys":[{"KeyNodeID":{}}],"EncryptionBlockSize":100})"})
        EXPECT_THAT(parseStateEncryption(wrong),
                    FailsWith(ErrorCode::HeaderCorrupt,
                              HasSubstr("error unmarshalling state encryption meta key: ")))
            << wrong;
}

TEST(StateEncryption, PassphrasesAreHidden) {
    const std::string shown = redactedStateEncryption(kModern);
    EXPECT_THAT(shown, Not(HasSubstr("secret")));
    EXPECT_THAT(shown, HasSubstr("(hidden)"));
    EXPECT_EQ(redactedStateEncryption("secret"), "(unreadable)");
}

}  // namespace
}  // namespace volumecrypt::meta
