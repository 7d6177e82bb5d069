// SPDX-License-Identifier: Apache-2.0
// The salt file: Talos' layout, what else is understood, what is refused; mountinfo.
#include "keys/state_salt.h"

#include <filesystem>

#include <gtest/gtest.h>

#include "base/mount_info.h"
#include "support/result_matchers.h"
#include "support/temp_dir.h"

namespace volumecrypt::keys {
namespace {

using base::ErrorCode;
using test::FailsWith;
using ::testing::HasSubstr;

std::string fileText(const base::SecretBuffer &secret) {
    return {secret.chars(), secret.size()};
}

base::SecretBuffer counting() {
    base::SecretBuffer salt(kSaltSize);
    for (std::size_t i = 0; i < salt.size(); ++i) salt.bytes()[i] = static_cast<std::byte>(i + 100);
    return salt;
}

std::string flowList(unsigned first, unsigned count) {
    std::string list;
    for (unsigned i = 0; i < count; ++i)
        list += (list.empty() ? "" : ", ") + std::to_string(first + i);
    return list;
}

TEST(SaltFile, HasTheLayoutOfTalos) {
    const std::string file = fileText(saltText(counting()));
    EXPECT_EQ(file.substr(0, 32), "diskSalt:\n    - 100\n    - 101\n  ");
    EXPECT_TRUE(file.ends_with("    - 131\n"));
    EXPECT_TRUE(*parseSalt(file) == counting());
}

TEST(SaltFile, OtherYamlListsAreUnderstood) {
    const std::string flow = flowList(100, 32);
    EXPECT_TRUE(*parseSalt("diskSalt: [" + flow + "]\n") == counting());
    EXPECT_TRUE(*parseSalt("# made by hand\n---\ndiskSalt: # the salt\n[" + flow + "]") ==
                counting());
    std::string tight = fileText(saltText(counting()));
    for (std::size_t at = 0; (at = tight.find("    - ", at)) != std::string::npos;)
        tight.replace(at, 6, "- ");
    EXPECT_TRUE(*parseSalt(tight) == counting());
}

TEST(SaltFile, EverythingElseIsRefused) {
    for (const std::string &wrong :
         {std::string(), std::string("diskSalt:\n"), std::string("salt: [1]\n"),
          "diskSalt: [" + flowList(100, 31) + "]", "diskSalt: [" + flowList(100, 33) + "]",
          "diskSalt: [" + flowList(230, 32) + "]", std::string("diskSalt: AAECAw==\n"),
          "diskSalt: [" + flowList(100, 32) + "]\nmore: 1\n"})
        EXPECT_THAT(parseSalt(wrong), FailsWith(ErrorCode::HeaderCorrupt)) << wrong;
    const std::string zeros = fileText(saltText(base::SecretBuffer(kSaltSize)));
    EXPECT_THAT(parseSalt(zeros),
                FailsWith(ErrorCode::HeaderCorrupt,
                          HasSubstr("value of \"encryption-salt.yaml\" is still zero after "
                                    "unmarshaling")));
}

TEST(StateSaltTest, DirectoryThatIsNoMountHasNoSalt) {
    const test::TempDir directory;
    // Some device that is certainly not mounted there.
    StateSalt salt(StatePlace{.where = directory.path(), .source = "/dev/null"}, false);
    EXPECT_THAT(salt.bytes(), FailsWith(ErrorCode::SaltUnavailable,
                                        HasSubstr("STATE is not mounted at " + directory.path())));
    EXPECT_EQ(salt.digest(), "");
    EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
}

TEST(StateSaltTest, TwoAtOnceMakeOne) {
    const test::TempDir directory;
    const StatePlace place{.where = directory.path(), .source = {}};
    StateSalt first(place, false);
    StateSalt second(place, false);
    ASSERT_TRUE(first.bytes());
    ASSERT_TRUE(second.bytes());
    EXPECT_TRUE(**first.bytes() == **second.bytes());
    EXPECT_EQ(first.digest().size(), 32U);
    StateSalt reader(place, true);
    EXPECT_TRUE(reader.bytes());
}

TEST(MountInfo, LastMountAtADirectoryIsTheOneOnTop) {
    const std::string text =
        "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/root rw\n"
        "40 22 252:3 / /system/state rw shared:7 master:2 - xfs /dev/mapper/luks2-STATE rw\n"
        "41 22 252:4 / /mnt/with\\040blank rw - ext4 /dev/with\\134slash rw\n"
        "42 40 0:9 / /system/state rw - tmpfs tmpfs rw\n"
        "broken\n";
    EXPECT_EQ(base::mountAt(text, "/system/state")->source, "tmpfs");
    EXPECT_EQ(base::mountAt(text, "/mnt/with blank")->source, "/dev/with\\slash");
    EXPECT_EQ(base::mountAt(text, "/")->type, "ext4");
    EXPECT_FALSE(base::mountAt(text, "/system"));
    EXPECT_EQ(base::mountOver(text, "/system/state/volumecrypt/pins")->where, "/system/state");
    EXPECT_EQ(base::mountOver(text, "/system/state")->where, "/system/state");
    EXPECT_EQ(base::mountOver(text, "/system/statement")->where, "/");
    EXPECT_EQ(base::mountOver(text, "/")->where, "/");
}

TEST(MountInfo, KnowsEveryMountAndWhatIsReadOnly) {
    const std::string text =
        "36 22 252:3 / /srv/a rw,nosuid shared:7 master:2 - ext4 /dev/mapper/luks2-u-a rw,noatime\n"
        "37 22 252:3 /x /srv/b ro,relatime - ext4 /dev/mapper/luks2-u-a rw\n"
        "38 22 252:4 / /srv/c rw,relatime - xfs /dev/mapper/luks2-u-b ro,attr2\n"
        "39 22 252:5 / /srv/d rw\n";
    const auto mounts = base::parseMounts(text);
    ASSERT_EQ(mounts.size(), 3U);
    EXPECT_EQ(mounts[0].where, "/srv/a");
    EXPECT_EQ(mounts[0].source, "/dev/mapper/luks2-u-a");
    EXPECT_EQ(mounts[0].options, "rw,nosuid");
    EXPECT_FALSE(mounts[0].readOnlyHere);
    EXPECT_FALSE(mounts[0].readOnly);
    EXPECT_EQ(mounts[1].where, "/srv/b");
    EXPECT_TRUE(mounts[1].readOnlyHere);
    EXPECT_FALSE(mounts[1].readOnly);
    EXPECT_EQ(mounts[2].source, "/dev/mapper/luks2-u-b");
    EXPECT_TRUE(mounts[2].readOnly);
    EXPECT_TRUE(base::mountsOf(text, "/nonexistent").empty());
}

}  // namespace
}  // namespace volumecrypt::keys
