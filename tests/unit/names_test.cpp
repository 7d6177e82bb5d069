// SPDX-License-Identifier: Apache-2.0
// Volume IDs and the names made from them; the escapes are those that systemd-escape prints.
#include "model/names.h"

#include <gtest/gtest.h>

namespace volumecrypt::model {
namespace {

TEST(NamesTest, EscapesAsSystemdDoes) {
    EXPECT_EQ(deviceUnit("/dev/disk/by-partlabel/u-data"),
              "dev-disk-by\\x2dpartlabel-u\\x2ddata.device");
    EXPECT_EQ(deviceUnit("/dev/mapper/luks2-STATE"), "dev-mapper-luks2\\x2dSTATE.device");
    EXPECT_EQ(mountUnit("/"), "-.mount");
    EXPECT_EQ(mountUnit("/var/mnt/data"), "var-mnt-data.mount");
    EXPECT_EQ(escapeUnitPath("//a///b//"), "a-b");
    EXPECT_EQ(escapeUnitPath("/.hidden/a b"), "\\x2ehidden-a\\x20b");
    EXPECT_EQ(escapeUnitPath("/x/.y"), "x-.y");
    EXPECT_EQ(escapeUnitPath("/\xc3\xa9"), "\\xc3\\xa9");
}

TEST(NamesTest, VolumeIdsRoundTrip) {
    for (const char *text : {"STATE", "EPHEMERAL", "IMAGECACHE", "ETCD", "CRI", "KUBELET", "LOG",
                             "u-data", "r-x", "s-swap-1"}) {
        const auto id = VolumeId::parse(text);
        ASSERT_TRUE(id) << text;
        EXPECT_EQ(id->text(), text);
    }
    EXPECT_EQ(VolumeId::parse("u-data")->name(), "data");
    EXPECT_EQ(attachUnit(*VolumeId::parse("u-data")), "volumecrypt@u-data.service");
    EXPECT_EQ(mappingName(VolumeId::state()), "luks2-STATE");
}

TEST(NamesTest, OtherTextsAreNoVolumeIds) {
    for (const char *text : {"", "state", "META", "u-", "u-a/b", "u-a_b", "x-data", "u-%i", "etcd",
                             "LOGS", "../STATE", "u-a\n", "u-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"})
        EXPECT_FALSE(VolumeId::parse(text)) << text;
    EXPECT_TRUE(VolumeId::parse("u-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
}

}  // namespace
}  // namespace volumecrypt::model
