// SPDX-License-Identifier: Apache-2.0
// META: images and JSON that Talos itself made, torn writes, the older format.
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "base/files.h"
#include "crypto/digest.h"
#include "meta/adv.h"
#include "meta/meta_store.h"
#include "support/result_matchers.h"
#include "support/temp_dir.h"

namespace volumecrypt::meta {
namespace {

using base::ErrorCode;
using base::SecretBuffer;
using test::FailsWith;
using test::IsOk;
using ::testing::HasSubstr;

// Written by Talos 1.11 and later.
constexpr const char *kModern =
    R"({"EncryptionProvider":"luks2","EncryptionKeys":[{"KeySlot":0,"KeyStatic":{"KeyData":"secret"},"KeyNodeID":null,"KeyKMS":null,"KeyTPM":null,"KeyLockToSTATE":null},{"KeySlot":0,"KeyStatic":null,"KeyNodeID":{},"KeyKMS":null,"KeyTPM":null,"KeyLockToSTATE":null}],"EncryptionCipher":"aes-xts-plain64","EncryptionKeySize":0,"EncryptionBlockSize":0,"EncryptionPerfOptions":null})";
std::string text(const SecretBuffer &secret) {
    return {secret.chars(), secret.size()};
}

std::string hexDigest(const std::string &bytes) {
    std::string hex;
    for (const char c : crypto::sha256(bytes)) {
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

}  // namespace
}  // namespace volumecrypt::meta
