// SPDX-License-Identifier: Apache-2.0
// Key bytes: the vectors of the system that we are compatible with, published digest vectors,
// protected key files.
#include <sys/stat.h>

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/files.h"
#include "crypto/digest.h"
#include "keys/derivations.h"
#include "keys/node_id.h"
#include "keys/static_key.h"
#include "support/temp_dir.h"

namespace volumecrypt::keys {
namespace {

using crypto::hkdfSha256;
using crypto::hmacSha256;
using crypto::sha256;

std::string hex(std::string_view bytes) {
    std::string text;
    for (const char c : bytes) {
        char two[3];
        std::snprintf(two, sizeof two, "%02x", static_cast<unsigned char>(c));
        text += two;
    }
    return text;
}

std::string text(const base::SecretBuffer &secret) {
    return {secret.chars(), secret.size()};
}

class NodeIdTest : public testing::Test {
  protected:
    base::Result<base::SecretBuffer> keyFor(const std::string &uuid, const char *volume) {
        const model::SystemPaths paths(root_.path());
        EXPECT_TRUE(base::writeFileAtomically(paths.productUuid(), uuid, 0600));
        NodeIdKeySource source({.volume = *model::VolumeId::parse(volume), .paths = paths});
        return source.obtain(std::nullopt);
    }
    test::TempDir root_;
};

TEST_F(NodeIdTest, IsUuidThenVolumeId) {
    const auto state = keyFor("4c4c4544-0039-3010-8048-b7c04f384432\n", "STATE");
    ASSERT_TRUE(state) << state.error().message;
    EXPECT_EQ(state->size(), 41U);
    EXPECT_EQ(hex(sha256(text(*state))),
              "1b31083e7a578ee7cd847e5f057b3c6080d4dc0942e04cd39bfd2f2a518ce199");
    const auto ephemeral = keyFor("4C4C4544-0039-3010-8048-B7C04F384432\n", "EPHEMERAL");
    ASSERT_TRUE(ephemeral);
    EXPECT_EQ(hex(sha256(text(*ephemeral))),
              "761faf910f6350b61d900e2ea15f1d13fa404a35db4e67f12b2faeeab97e97e9");
    const auto user = keyFor("123e4567-e89b-12d3-a456-426614174000", "u-local-data");
    ASSERT_TRUE(user);
    EXPECT_EQ(hex(sha256(text(*user))),
              "f3f31d9c1cd76464af15edea9dac2d1a3c1828251a5cdbf738e73824d05e509d");
}

TEST_F(NodeIdTest, RefusesFirmwarePlaceholders) {
    const auto key = keyFor("11111111-0000-1111-1111-111111111111", "STATE");
    ASSERT_FALSE(key);
    EXPECT_NE(key.error().message.find(
                  "machine UUID 11111111-0000-1111-1111-111111111111 entropy check failed"),
              std::string::npos);
    EXPECT_FALSE(keyFor("03000200-0400-0500-0006-000700080009", "STATE"));
    EXPECT_FALSE(keyFor("00000000-0000-0000-0000-000000000000", "STATE"));
    EXPECT_FALSE(keyFor("ffffffff-ffff-ffff-ffff-ffffffffffff", "STATE"));
    // Exactly half is allowed.
    EXPECT_TRUE(keyFor("11111111-1111-1111-1122-334455667788", "STATE"));
}

TEST_F(NodeIdTest, EmptyUuid) {
    const auto key = keyFor("\n", "STATE");
    ASSERT_FALSE(key);
    EXPECT_NE(key.error().message.find("machine UUID is not populated "), std::string::npos);
}

TEST(DigestTest, HkdfOfRfc5869Case3) {
    const base::SecretBuffer key = base::SecretBuffer::copyOf(std::string(22, '\x0b'));
    // Empty salt and info; the first 32 of its 42 bytes.
    EXPECT_EQ(hex(text(hkdfSha256(key, ""))),
              "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d");
}

TEST(DigestTest, HmacOfRfc4231Case2) {
    EXPECT_EQ(hex(hmacSha256(base::SecretBuffer::copyOf("Jefe"), "what do ya want for nothing?")),
              "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST(DigestTest, CheckDependsOnEverything) {
    const auto key = base::SecretBuffer::copyOf("key");
    const auto pass = base::SecretBuffer::copyOf("pass");
    const std::string area(32, 'a');
    const std::string check = slotCheck(key, 1, pass, area);
    EXPECT_EQ(slotCheck(key, 1, pass, area), check);
    EXPECT_NE(slotCheck(key, 2, pass, area), check);
    EXPECT_NE(slotCheck(base::SecretBuffer::copyOf("kez"), 1, pass, area), check);
    EXPECT_NE(slotCheck(key, 1, base::SecretBuffer::copyOf("pasz"), area), check);
    EXPECT_NE(slotCheck(key, 1, pass, std::string(32, 'b')), check);
}

class StaticKeyTest : public testing::Test {
  protected:
    base::Result<base::SecretBuffer> fromFile(const std::string &content, unsigned mode) {
        const std::string path = root_.path() + "/key";
        EXPECT_TRUE(base::writeFileAtomically(path, content, mode));
        const model::StaticKey key{.passphrase = {}, .passphraseFile = path};
        StaticKeySource source(key);
        return source.obtain(std::nullopt);
    }
    test::TempDir root_;
};

TEST_F(StaticKeyTest, FileIsTakenAsItIs) {
    const auto key = fromFile("two\nlines\n", 0600);
    ASSERT_TRUE(key) << key.error().message;
    EXPECT_EQ(text(*key), "two\nlines\n");
}

TEST_F(StaticKeyTest, FileOpenToOthersIsRefused) {
    const auto key = fromFile("secret", 0640);
    ASSERT_FALSE(key);
    EXPECT_NE(key.error().message.find("can be read by others"), std::string::npos);
}

// As managers of secrets make them.
TEST_F(StaticKeyTest, LinkOfRootsIsFollowed) {
    ASSERT_TRUE(fromFile("secret", 0600));
    const std::string link = root_.path() + "/link";
    ASSERT_EQ(::symlink("key", link.c_str()), 0);
    const model::StaticKey key{.passphrase = {}, .passphraseFile = link};
    const auto passphrase = StaticKeySource(key).obtain(std::nullopt);
    ASSERT_TRUE(passphrase) << passphrase.error().message;
    EXPECT_EQ(text(*passphrase), "secret");
}

TEST_F(StaticKeyTest, LinkThatOthersCanTurnIsNamedAndRefused) {
    ASSERT_TRUE(fromFile("secret", 0600));
    const std::string directory = root_.path() + "/open";
    ASSERT_TRUE(base::makeDirectories(directory));
    ASSERT_EQ(::symlink("../key", (directory + "/link").c_str()), 0);
    ASSERT_EQ(::symlink("open/link", (root_.path() + "/first").c_str()), 0);
    ASSERT_EQ(::chmod(directory.c_str(), 0775), 0);
    const model::StaticKey key{.passphrase = {}, .passphraseFile = root_.path() + "/first"};
    const auto refused = StaticKeySource(key).obtain(std::nullopt);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, base::ErrorCode::InvalidConfig);
    EXPECT_NE(refused.error().message.find(directory + " can be written to by others"),
              std::string::npos)
        << refused.error().message;
    EXPECT_EQ(refused.error().hint, "Run `chmod go-w " + directory + "`.");
    // With the sticky bit others cannot.
    ASSERT_EQ(::chmod(directory.c_str(), 01777), 0);
    EXPECT_TRUE(StaticKeySource(key).obtain(std::nullopt));
    if (::geteuid() != 0) return;
    ASSERT_EQ(::lchown((directory + "/link").c_str(), 1234, 1234), 0);
    const auto others = StaticKeySource(key).obtain(std::nullopt);
    ASSERT_FALSE(others);
    EXPECT_NE(others.error().message.find(directory + "/link belongs to user 1234"),
              std::string::npos)
        << others.error().message;
}

TEST_F(StaticKeyTest, LinksThatGoRoundEnd) {
    const std::string link = root_.path() + "/round";
    ASSERT_EQ(::symlink("round", link.c_str()), 0);
    const model::StaticKey key{.passphrase = {}, .passphraseFile = link};
    EXPECT_FALSE(StaticKeySource(key).obtain(std::nullopt));
}

TEST(Links, LeadToWhatIsNotThereYet) {
    const test::TempDir root;
    const std::string link = root.path() + "/link";
    ASSERT_EQ(::symlink("/home/nobody-has-it/./keys/../data", link.c_str()), 0);
    EXPECT_EQ(base::walkLinks(link)->target, "/home/nobody-has-it/data");
    EXPECT_TRUE(base::walkLinks(link)->endsInLink);
    EXPECT_EQ(base::walkLinks("/")->target, "/");
}

TEST_F(StaticKeyTest, EmptyAndHugeFilesAreRefused) {
    EXPECT_FALSE(fromFile("", 0600));
    EXPECT_FALSE(fromFile(std::string(8193, 'x'), 0600));
    EXPECT_TRUE(fromFile(std::string(8192, 'x'), 0600));
}

TEST_F(StaticKeyTest, InlineBytes) {
    const model::StaticKey key{.passphrase = base::SecretBuffer::copyOf("p\xc3\xa4ss"),
                               .passphraseFile = {}};
    StaticKeySource source(key);
    const auto secret = source.obtain(std::nullopt);
    ASSERT_TRUE(secret);
    EXPECT_EQ(text(*secret), "p\xc3\xa4ss");
    const model::StaticKey empty{};
    StaticKeySource none(empty);
    ASSERT_FALSE(none.obtain(std::nullopt));
}

}  // namespace
}  // namespace volumecrypt::keys
