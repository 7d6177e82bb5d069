// SPDX-License-Identifier: Apache-2.0
// The rules behind the units of a volume, one by one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "units_support.h"

namespace volumecrypt::test {
namespace {

using model::MountSpec;
using model::VolumeSpec;
using testing::HasSubstr;
using testing::Not;

const std::string kDropIn = ".service.d/50-volume.conf";

VolumeSpec ephemeralAt(const std::string &where) {
    VolumeSpec volume = encryptedVolume("EPHEMERAL");
    volume.mount = MountSpec{where, {}};
    return volume;
}

std::string attachOf(const std::vector<VolumeSpec> &volumes, const std::string &id) {
    return contentOf(generate(volumes), "volumecrypt@" + id + kDropIn);
}

TEST(Units, everyKeyLockedToStateRequiresItsMount) {
    VolumeSpec volume = encryptedVolume("u-data");
    volume.encryption->keys[0].lockToState = true;
    const auto text = attachOf(volumeList(encryptedVolume("STATE"), std::move(volume)), "u-data");
    EXPECT_THAT(text, HasSubstr("RequiresMountsFor=/system/state\n"));
    EXPECT_THAT(text, HasSubstr("ReadWritePaths=-/system/state\n"));
}

TEST(Units, keysBelowHomeAreSeenAndNothingElseOfIt) {
    VolumeSpec volume = encryptedVolume("u-data");
    model::KeySpec key;
    key.slot = 1;
    key.parameters.emplace<model::StaticKey>().passphraseFile = "/root/a b:c%";
    volume.encryption->keys.push_back(std::move(key));
    const auto generated = generate(volumeList(std::move(volume)));
    for (const char *unit : {"volumecrypt@u-data", "volumecrypt-sync@u-data"}) {
        const auto text = contentOf(generated, unit + std::string(kDropIn));
        EXPECT_THAT(text, HasSubstr("ProtectHome=tmpfs\nBindReadOnlyPaths=\"-/root/a b:c%%\"\n"));
    }
}

TEST(Units, keysThatAreLinksIntoHomeAreSeenToo) {
    VolumeSpec volume = encryptedVolume("u-data");
    model::KeySpec key;
    key.slot = 1;
    key.parameters.emplace<model::StaticKey>().passphraseFile = "/etc/volumecrypt/keys/data";
    volume.encryption->keys.push_back(std::move(key));
    const auto volumes = volumeList(std::move(volume));
    EXPECT_THAT(attachOf(volumes, "u-data"), Not(HasSubstr("ProtectHome")));
    const auto generated = units::generateUnits(
        volumes, {.own = "/usr/lib/systemd/system", .vendor = "/lib/systemd/system"},
        [](const std::string &) { return std::string("/home/admin/data"); });
    const auto text = contentOf(generated, "volumecrypt@u-data" + std::string(kDropIn));
    EXPECT_THAT(text, HasSubstr("ProtectHome=tmpfs\nBindReadOnlyPaths=-/home/admin/data\n"));
    EXPECT_THAT(text, HasSubstr("After=home.mount\n"));
}

TEST(Units, oneOfTwoKeysLockedToStateOnlyWaitsForIt) {
    VolumeSpec volume = encryptedVolume("u-data");
    volume.encryption->keys.push_back(nodeIdKey(1, true));
    const auto text = attachOf(volumeList(encryptedVolume("STATE"), std::move(volume)), "u-data");
    EXPECT_THAT(text, Not(HasSubstr("RequiresMountsFor")));
    EXPECT_THAT(text, HasSubstr("Wants=system-state.mount\nAfter=system-state.mount\n"));
}

TEST(Units, unmanagedKeysDoNotCount) {
    VolumeSpec volume = encryptedVolume("u-data");
    volume.encryption->keys[0].lockToState = true;
    model::KeySpec other;
    other.slot = 4;
    other.parameters = model::UnmanagedKey{};
    volume.encryption->keys.push_back(std::move(other));
    const auto text = attachOf(volumeList(encryptedVolume("STATE"), std::move(volume)), "u-data");
    EXPECT_THAT(text, HasSubstr("RequiresMountsFor=/system/state\n"));
}

TEST(Units, theOnlyKeyRequiresItsFile) {
    VolumeSpec volume = encryptedVolume("u-data");
    volume.encryption->keys.clear();
    volume.encryption->keys.push_back(staticKey(0, "/media/key/data"));
    EXPECT_THAT(attachOf(volumeList(std::move(volume)), "u-data"),
                HasSubstr("RequiresMountsFor=/media/key/data\n"));
}

TEST(Units, fileOfOneOfTwoKeysIsOnlyWaitedFor) {
    VolumeSpec volume = encryptedVolume("u-data");
    volume.encryption->keys.push_back(staticKey(1, "/media/key/data"));
    const auto text = attachOf(volumeList(std::move(volume)), "u-data");
    EXPECT_THAT(text, Not(HasSubstr("RequiresMountsFor")));
    EXPECT_THAT(text, HasSubstr("Wants=media-key.mount\nAfter=media-key.mount\n"));
    EXPECT_THAT(text, HasSubstr("Wants=media.mount\nAfter=media.mount\n"));
}

TEST(Units, kmsAndTpmKeysGetWhatTheTemplateWithholds) {
    VolumeSpec volume = encryptedVolume("u-data");
    volume.encryption->keys.push_back(kmsKey(1));
    volume.encryption->keys.push_back(tpmKey(2));
    const auto generated = generate(volumeList(std::move(volume)));
    for (const char *unit : {"volumecrypt@u-data", "volumecrypt-sync@u-data"}) {
        const auto text = contentOf(generated, unit + kDropIn);
        EXPECT_THAT(text, HasSubstr("PrivateNetwork=no\n")) << unit;
        EXPECT_THAT(text, HasSubstr("RestrictAddressFamilies=AF_INET AF_INET6 AF_NETLINK\n"));
        // volumecrypt-kms does not stay root.
        EXPECT_THAT(text, HasSubstr("CapabilityBoundingSet=CAP_SETUID CAP_SETGID CAP_KILL\n"));
        EXPECT_THAT(text, HasSubstr("landlock_restrict_self seccomp @setuid capset\n"));
        EXPECT_THAT(text, HasSubstr("CapabilityBoundingSet=CAP_DAC_OVERRIDE\n"));
    }
    // It has a key that needs no network: it does not wait for one.
    EXPECT_THAT(contentOf(generated, "volumecrypt@u-data" + kDropIn),
                Not(HasSubstr("network-online")));
    EXPECT_THAT(contentOf(generated, "volumecrypt-sync@u-data" + kDropIn),
                HasSubstr("After=network-online.target\n"));
}

TEST(Units, templateAloneSyncsAVolumeWithoutSuchKeys) {
    const auto generated = generate(volumeList(encryptedVolume("u-data")));
    EXPECT_THAT(dump(generated), Not(HasSubstr("CapabilityBoundingSet")));
    EXPECT_EQ(find(generated, "volumecrypt-sync@u-data" + kDropIn), nullptr);
    EXPECT_NE(find(generated, "volumecrypt@u-data.service.wants/volumecrypt-sync@u-data.service"),
              nullptr);
}

TEST(Units, plainVolumesAreNotSynced) {
    const auto generated = generate(volumeList(plainVolume("u-data")));
    EXPECT_THAT(dump(generated), Not(HasSubstr("volumecrypt-sync@")));
}

TEST(Units, mountOptionsNetdevMakesANetworkVolume) {
    VolumeSpec volume = encryptedVolume("u-san");
    volume.mount->options = {"_netdev", "noatime"};
    const auto generated = generate(volumeList(std::move(volume)));
    EXPECT_NE(find(generated, "remote-cryptsetup.target.wants/volumecrypt@u-san.service"), nullptr);
    EXPECT_NE(find(generated, "remote-fs.target.wants/var-mnt-san.mount"), nullptr);
    EXPECT_THAT(contentOf(generated, "var-mnt-san.mount"),
                HasSubstr("Options=noatime,nofail,_netdev\n"));
}

// A local volume that waits for one on the network would make a cycle with local-fs.target.
TEST(Units, whatNeedsANetworkVolumeIsOne) {
    VolumeSpec state = encryptedVolume("STATE");
    state.encryption->keys.clear();
    state.encryption->keys.push_back(kmsKey(0));
    VolumeSpec ephemeral = ephemeralAt("/srv/ephemeral");
    ephemeral.encryption->keys[0].lockToState = true;
    VolumeSpec inner = encryptedVolume("u-inner");
    inner.mount->where = "/srv/ephemeral/inner";
    const auto generated =
        generate(volumeList(std::move(ephemeral), std::move(state), std::move(inner)));
    for (const char *id : {"STATE", "EPHEMERAL"})
        EXPECT_NE(find(generated, "remote-cryptsetup.target.requires/volumecrypt@" +
                                      std::string(id) + ".service"),
                  nullptr)
            << id;
    EXPECT_NE(find(generated, "remote-fs.target.wants/srv-ephemeral-inner.mount"), nullptr);
    EXPECT_THAT(dump(generated), Not(HasSubstr("local-fs.target")));
}

TEST(Units, requiredDecidesAboutNofailNotTheOptions) {
    VolumeSpec volume = encryptedVolume("u-data");
    volume.required = true;
    volume.mount->options = {"nofail"};
    const auto text = contentOf(generate(volumeList(std::move(volume))), "var-mnt-data.mount");
    EXPECT_THAT(text, HasSubstr("Before=local-fs.target\n"));
    EXPECT_THAT(text, Not(HasSubstr("nofail")));
}

TEST(Units, noMountPointNoMountButAFileSystemCheckForFstab) {
    const auto generated = generate(volumeList(encryptedVolume("EPHEMERAL")));
    EXPECT_THAT(dump(generated), Not(HasSubstr(".mount")));
    EXPECT_THAT(
        contentOf(generated,
                  "systemd-fsck@dev-mapper-luks2\\x2dEPHEMERAL.service.d/50-volumecrypt.conf"),
        HasSubstr("[Unit]\nAfter=volumecrypt@EPHEMERAL.service\n"));
}

TEST(Units, theServiceDoesNotWaitForAVolumeAtVar) {
    const std::string file = "volumecrypt.service.d/50-volume-EPHEMERAL.conf";
    for (const char *where : {"/var", "/var/tmp", "/tmp"})
        EXPECT_THAT(contentOf(generate(volumeList(ephemeralAt(where))), file),
                    HasSubstr("[Service]\nPrivateTmp=no\n"));
    EXPECT_THAT(dump(generate(volumeList(ephemeralAt("/var/lib")))),
                Not(HasSubstr("volumecrypt.service.d")));
}

TEST(Units, volumeWithItsKeyFileOnItselfIsRefused) {
    VolumeSpec volume = encryptedVolume("u-data");
    volume.encryption->keys.push_back(staticKey(1, "/var/mnt/data/key"));
    const auto generated = generate(volumeList(encryptedVolume("STATE"), std::move(volume)));
    ASSERT_EQ(generated.refusals.size(), 1U);
    EXPECT_EQ(generated.refusals[0].volume.text(), "u-data");
    EXPECT_EQ(generated.refusals[0].error.code, base::ErrorCode::InvalidConfig);
    EXPECT_THAT(generated.refusals[0].error.message, HasSubstr("on the volume itself"));
    EXPECT_THAT(dump(generated), Not(HasSubstr("u-data")));
    EXPECT_THAT(dump(generated), HasSubstr("volumecrypt@STATE.service"));
}

TEST(Units, volumesThatWaitForEachOtherAreRefused) {
    VolumeSpec state = encryptedVolume("STATE");
    state.mount->where = "/var/state";
    VolumeSpec ephemeral = ephemeralAt("/var");
    ephemeral.encryption->keys[0].lockToState = true;
    VolumeSpec data = encryptedVolume("u-data");
    data.mount->where = "/srv/data";
    const auto generated =
        generate(volumeList(std::move(ephemeral), std::move(state), std::move(data)));
    ASSERT_EQ(generated.refusals.size(), 2U);
    EXPECT_THAT(generated.refusals[0].error.message, HasSubstr("before STATE"));
    EXPECT_THAT(generated.refusals[1].error.message, HasSubstr("before EPHEMERAL"));
    EXPECT_NE(find(generated, "volumecrypt@u-data" + kDropIn), nullptr);
}

TEST(Units, twoVolumesWithOneMountPointOrDevice) {
    VolumeSpec other = encryptedVolume("u-other");
    other.mount->where = "/var/mnt/data";
    VolumeSpec third = encryptedVolume("u-third");
    third.device.path = "/dev/disk//by-partlabel/u-data";
    const auto generated =
        generate(volumeList(encryptedVolume("u-data"), std::move(other), std::move(third)));
    ASSERT_EQ(generated.refusals.size(), 2U);
    EXPECT_THAT(generated.refusals[0].error.message, HasSubstr("in common with u-data"));
    EXPECT_THAT(generated.refusals[1].error.message, HasSubstr("in common with u-data"));
    EXPECT_THAT(dump(generated), Not(HasSubstr("u-other")));
}

TEST(Units, severalNetworkVolumesShareTheLinkToTheirTarget) {
    VolumeSpec one = encryptedVolume("u-one");
    one.mount->options = {"_netdev"};
    VolumeSpec two = encryptedVolume("u-two");
    two.mount->options = {"_netdev"};
    const auto generated = generate(volumeList(std::move(one), std::move(two)));
    EXPECT_TRUE(generated.refusals.empty());
    const auto *link = find(generated, "multi-user.target.wants/remote-cryptsetup.target");
    ASSERT_NE(link, nullptr);
    EXPECT_EQ(link->target, "/lib/systemd/system/remote-cryptsetup.target");
}

}  // namespace
}  // namespace volumecrypt::test
