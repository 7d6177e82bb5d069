// SPDX-License-Identifier: Apache-2.0
// Documents as Talos takes them, each field and kind of its blocks of volumes: they are honoured,
// or accepted with one warning that says what is not done.
#include <algorithm>

#include "config/values.h"
#include "config_case.h"

namespace volumecrypt::config::test {
namespace {

struct TalosCase {
    const char *name;
    std::string yaml;
    std::string volume;  // the ID that is declared; empty: none
    std::vector<std::string> problems;
};

std::ostream &operator<<(std::ostream &stream, const TalosCase &talosCase) {
    return stream << talosCase.name;
}

std::string talosName(const testing::TestParamInfo<TalosCase> &info) {
    return info.param.name;
}

class ConfigTalos : public testing::TestWithParam<TalosCase> {};

TEST_P(ConfigTalos, IsAccepted) {
    for (const Secrets secrets : {Secrets::Keep, Secrets::Drop}) {
        const Configuration configuration = parseText(GetParam().yaml, secrets);
        EXPECT_EQ(problemLines(configuration), GetParam().problems);
        ASSERT_EQ(configuration.volumes.size(), GetParam().volume.empty() ? 0U : 1U);
        for (const model::VolumeSpec &spec : configuration.volumes)
            EXPECT_EQ(spec.id.text(), GetParam().volume);
    }
}

std::string talosDocument(const std::string &kind, const std::string &name,
                          const std::string &rest) {
    return "apiVersion: v1alpha1\nkind: " + kind + "\n" +
           (name.empty() ? "" : "name: " + name + "\n") + rest;
}

const std::string kKeys =
    "encryption:\n    provider: luks2\n    keys:\n        - slot: 0\n          tpm: {}\n"
    "        - slot: 1\n          static:\n              passphrase: open-sesame\n"
    "    cipher: aes-xts-plain64\n";
const std::string kProvisioning =
    "provisioning:\n    diskSelector:\n        match: disk.transport == \"sata\" && !system_disk\n"
    "    minSize: 2GiB\n    maxSize: 40%\n    grow: false\n";
const std::string kNotProvisioned =
    "warning 5:5: provisioning is ignored: the partition has to be there";

const std::vector<TalosCase> kAccepted{
    {"EphemeralAsGenerated",
     talosDocument("VolumeConfig", "EPHEMERAL", "mount:\n    secure: true\n"),
     "EPHEMERAL",
     {"warning 5:13: mount.secure does nothing without a mount.where"}},
    {"EphemeralProvisioned",
     talosDocument("VolumeConfig", "EPHEMERAL", kProvisioning),
     "EPHEMERAL",
     {kNotProvisioned}},
    {"EphemeralXfs",
     talosDocument("VolumeConfig", "EPHEMERAL",
                   "filesystem:\n    xfs:\n        minAllocationGroupSize: 64GiB\n"),
     "EPHEMERAL",
     {}},
    {"StateEncrypted", talosDocument("VolumeConfig", "STATE", kKeys), "STATE", {}},
    {"StateTpmOptions",
     talosDocument("VolumeConfig", "STATE",
                   "encryption:\n    keys:\n        - tpm:\n            options:\n"
                   "                pcrs: [7, 0]\n    provider: LUKS2\n"),
     "STATE",
     {}},
    {"StateScrubbed",
     talosDocument("VolumeConfig", "STATE", "scrub: {}\n"),
     "STATE",
     {"warning 4:8: scrub is not done: nothing checks the file system while it is mounted"}},
    {"ImageCache", talosDocument("VolumeConfig", "IMAGECACHE", kKeys), "IMAGECACHE", {}},
    {"ImageCacheProvisioned",
     talosDocument("VolumeConfig", "IMAGECACHE", kProvisioning),
     "IMAGECACHE",
     {kNotProvisioned}},
    {"EtcdAsADirectory",
     talosDocument("VolumeConfig", "ETCD", ""),
     "",
     {"warning 1:1: the \"ETCD\" volume is a directory without provisioning: nothing is done for "
      "it"}},
    {"KubeletAsADirectory",
     talosDocument("VolumeConfig", "KUBELET", "encryption: {provider: none}\ntrim: {}\n"),
     "",
     {"warning 1:1: the \"KUBELET\" volume is a directory without provisioning: nothing is done "
      "for "
      "it"}},
    {"EtcdProvisioned",
     talosDocument("VolumeConfig", "ETCD", kProvisioning + "mount: {secure: true}\n"),
     "ETCD",
     {kNotProvisioned, "warning 10:17: mount.secure does nothing without a mount.where"}},
    {"CriEncrypted", talosDocument("VolumeConfig", "CRI", kKeys), "CRI", {}},
    {"LogMountedHere",
     talosDocument("VolumeConfig", "LOG", "mount: {where: /var/log, disableAccessTime: true}\n"),
     "LOG",
     {}},
    {"LogDeviceHere",
     talosDocument("VolumeConfig", "LOG", "volume: {device: /dev/vdb}\n"),
     "LOG",
     {}},
    {"UserProvisioned",
     talosDocument("UserVolumeConfig", "data", kProvisioning + "filesystem: {type: btrfs}\n"),
     "u-data",
     {kNotProvisioned}},
    {"UserEncrypted", talosDocument("UserVolumeConfig", "data", kKeys), "u-data", {}},
    {"UserQuota",
     talosDocument("UserVolumeConfig", "data",
                   "filesystem:\n    type: xfs\n    projectQuotaSupport: true\n"),
     "u-data",
     {}},
    {"UserXfs",
     talosDocument("UserVolumeConfig", "data",
                   "filesystem:\n    xfs: {minAllocationGroupSize: 100MB}\n"),
     "u-data",
     {}},
    {"UserXfsEmpty", userVolume("filesystem: {type: xfs, xfs: {}}\n"), "u-data", {}},
    {"UserMount", userVolume("mount: {secure: true, disableAccessTime: true}\n"), "u-data", {}},
    {"UserTrim", userVolume("trim: {enabled: true, interval: 24h0m0s}\n"), "u-data", {}},
    {"UserTrimEmpty", userVolume("trim: {}\n"), "u-data", {}},
    {"UserScrubOff", userVolume("scrub: {enabled: false}\n"), "u-data", {}},
    {"UserScrub",
     userVolume("scrub: {interval: 1h}\n"),
     "u-data",
     {"warning 4:8: scrub is not done: nothing checks the file system while it is mounted"}},
    {"UserDirectory",
     userVolume("volumeType: directory\nmount: {secure: true}\n"),
     "",
     {"warning 4:13: volumeType \"directory\": nothing is done for it"}},
    {"UserDisk",
     userVolume(
         "volumeType: disk\nprovisioning:\n    diskSelector:\n        match: disk.rotational\n" +
         kKeys),
     "u-data",
     {"warning 4:13: volumeType \"disk\": no disk is searched for; name it in volume.device"}},
    {"UserDiskByName",
     userVolume("volumeType: disk\nprovisioning: {diskSelector: {match: x}}\n"
                "volume: {device: /dev/vdb}\n"),
     "u-data",
     {}},
    {"RawEncrypted",
     talosDocument("RawVolumeConfig", "store", kKeys + "    allowDiscards: true\n"),
     "r-store",
     {}},
    {"SwapEncrypted",
     talosDocument("SwapVolumeConfig", "pages", kProvisioning + kKeys),
     "s-pages",
     {kNotProvisioned}},
    {"Existing",
     talosDocument("ExistingVolumeConfig", "old",
                   "discovery:\n    volumeSelector:\n        match: volume.name == \"ext4\"\n"
                   "mount:\n    readOnly: true\n"),
     "",
     {"warning 2:7: a document of kind \"ExistingVolumeConfig\" is skipped"}},
    {"External",
     talosDocument("ExternalVolumeConfig", "share", "filesystemType: virtiofs\n"),
     "",
     {"warning 2:7: a document of kind \"ExternalVolumeConfig\" is skipped"}},
    {"Scrub",
     talosDocument("FilesystemScrubConfig", "", "interval: 168h0m0s\n"),
     "",
     {"warning 2:7: a document of kind \"FilesystemScrubConfig\" is skipped"}},
    {"Zswap",
     talosDocument("ZswapConfig", "", "maxPoolPercent: 30\n"),
     "",
     {"warning 2:7: a document of kind \"ZswapConfig\" is skipped"}},
    {"Trim", talosDocument("FilesystemTrimConfig", "", ""), "", {}},
    {"TrimInterval", talosDocument("FilesystemTrimConfig", "", "interval: 168h0m0s\n"), "", {}},
};
INSTANTIATE_TEST_SUITE_P(Accepted, ConfigTalos, testing::ValuesIn(kAccepted), talosName);

const std::vector<TalosCase> kRefused{
    {"MountOfImageCache",
     talosDocument("VolumeConfig", "IMAGECACHE", "mount: {secure: true}\n"),
     "",
     {"4:17: mount config is not allowed for the \"IMAGECACHE\" volume",
      "warning 4:17: mount.secure does nothing without a mount.where"}},
    {"FilesystemOfImageCache",
     talosDocument("VolumeConfig", "IMAGECACHE", "filesystem: {xfs: {}}\n"),
     "",
     {"4:13: filesystem config is not allowed for the \"IMAGECACHE\" volume",
      "4:19: xfs options are only available for xfs filesystem"}},
    {"MountOfADirectory",
     talosDocument("VolumeConfig", "LOG", "mount: {secure: false}\n"),
     "",
     {"warning 1:1: the \"LOG\" volume is a directory without provisioning: nothing is done for it",
      "4:17: mount config for the \"LOG\" volume is only supported when it is provisioned onto a "
      "dedicated partition",
      "warning 4:17: mount.secure does nothing without a mount.where"}},
    {"AccessTimeOfADirectory",
     userVolume("volumeType: directory\nmount: {disableAccessTime: true}\n"),
     "",
     {"warning 4:13: volumeType \"directory\": nothing is done for it",
      "5:28: mount.disableAccessTime is invalid for volumeType directory"}},
    {"XfsOptionsOfExt4",
     userVolume("filesystem: {type: ext4, xfs: {}}\n"),
     "",
     {"4:31: xfs options are only available for xfs filesystem"}},
    {"WrongGroupSize",
     userVolume("filesystem: {xfs: {minAllocationGroupSize: 1 floppy}}\n"),
     "",
     {"4:44: filesystem.xfs.minAllocationGroupSize must be a size such as 128GiB, not \"1 "
      "floppy\""}},
    {"NegativeTrim",
     userVolume("trim: {interval: -1h}\n"),
     "",
     {"4:18: trim interval cannot be negative"}},
    {"WrongTrim",
     userVolume("trim: {interval: weekly, often: true}\n"),
     "",
     {"4:18: trim.interval must be a time such as 168h, 90m or 30s, not \"weekly\"",
      "4:26: unknown field \"often\" of trim"}},
    {"ShortScrub",
     userVolume("scrub: {enabled: false, interval: 9s}\n"),
     "",
     {"4:35: scrub interval: minimum value is 10s"}},
    {"TrimOfRaw",
     talosDocument("RawVolumeConfig", "data", "trim: {}\n"),
     "",
     {"4:1: unknown field \"trim\""}},
    {"TwoTrimDefaults",
     talosDocument("FilesystemTrimConfig", "",
                   "---\n" + talosDocument("FilesystemTrimConfig", "", "")),
     "",
     {"4:1: FilesystemTrimConfig is declared twice"}},
    {"WrongTrimDefault",
     talosDocument("FilesystemTrimConfig", "", "interval: -1h\n"),
     "",
     {"3:11: trim interval cannot be negative"}},
};
INSTANTIATE_TEST_SUITE_P(Refused, ConfigTalos, testing::ValuesIn(kRefused), talosName);

struct TrimCase {
    const char *name;
    std::string yaml;
    std::int64_t seconds;  // 0: not trimmed
    std::vector<std::string> problems;
};

std::ostream &operator<<(std::ostream &stream, const TrimCase &trimCase) {
    return stream << trimCase.name;
}

std::string trimName(const testing::TestParamInfo<TrimCase> &info) {
    return info.param.name;
}

class ConfigTrim : public testing::TestWithParam<TrimCase> {};

TEST_P(ConfigTrim, Interval) {
    const Configuration configuration = parseText(GetParam().yaml);
    EXPECT_EQ(problemLines(configuration), GetParam().problems);
    ASSERT_EQ(configuration.volumes.size(), 1U);
    const auto interval = configuration.volumes[0].trimInterval;
    EXPECT_EQ(interval.value_or(std::chrono::seconds(0)).count(), GetParam().seconds);
}

const std::string kDefault =
    "---\napiVersion: v1alpha1\nkind: FilesystemTrimConfig\ninterval: 48h\n";
const std::string kNodeId = "encryption: {keys: [{nodeID: {}}]}\n";

const std::vector<TrimCase> kTrims{
    {"NotAsked", userVolume(""), 0, {}},
    {"Asked", userVolume("trim: {enabled: true}\n"), 604800, {}},
    {"WithInterval", userVolume("trim: {enabled: true, interval: 90m}\n"), 5400, {}},
    {"ZeroIsTheDefault", userVolume("trim: {enabled: true, interval: 0s}\n"), 604800, {}},
    {"ByTheDefault", userVolume(kDefault), 172800, {}},
    {"DefaultWithInterval", userVolume("trim: {interval: 1h}\n" + kDefault), 3600, {}},
    {"NotThisOne", userVolume("trim: {enabled: false}\n" + kDefault), 0, {}},
    {"IntervalAlone",
     userVolume("trim: {interval: 1h}\n"),
     0,
     {"warning 4:7: trim is not done: trim.enabled is not true, and there is no "
      "FilesystemTrimConfig"}},
    {"Encrypted",
     userVolume("trim: {enabled: true}\n" + kNodeId),
     0,
     {"warning 4:7: trim is not done: encryption.allowDiscards is not true, so that nothing would "
      "reach the device"}},
    {"EncryptedByTheDefault", userVolume(kNodeId + kDefault), 0, {}},
    {"EncryptedWithDiscards",
     userVolume("trim: {enabled: true}\n"
                "encryption: {allowDiscards: true, keys: [{nodeID: {}}]}\n"),
     604800,
     {}},
    {"NotMounted",
     systemVolume("EPHEMERAL", "trim: {enabled: true}\n"),
     0,
     {"warning 4:7: trim is not done: the volume is not mounted by this configuration"}},
};
INSTANTIATE_TEST_SUITE_P(Intervals, ConfigTrim, testing::ValuesIn(kTrims), trimName);

TEST(ConfigTalosValues, Sizes) {
    const auto size = [](std::string_view text) { return parseByteSize(text).value_or(7); };
    EXPECT_EQ(size("0"), 0U);
    EXPECT_EQ(size("1000"), 1000U);
    EXPECT_EQ(size("100MB"), 100'000'000U);
    EXPECT_EQ(size("128GiB"), std::uint64_t{128} << 30);
    EXPECT_EQ(size("2.5 gib"), std::uint64_t{5} << 29);
    EXPECT_EQ(size("3k"), 3000U);
    EXPECT_EQ(size("1Ki"), 1024U);
    for (const std::string_view text :
         {"", "GiB", "-1GiB", "1XB", "1..5G", "1GiBB", "1 floppy", "99999999EiB", "1e3", "nan"})
        EXPECT_FALSE(parseByteSize(text)) << text;
}

TEST(ConfigTalosValues, Durations) {
    const auto count = [](std::string_view text) {
        return parseGoDuration(text).value_or(std::chrono::seconds(7)).count();
    };
    EXPECT_EQ(count("0"), 0);
    EXPECT_EQ(count("0s"), 0);
    EXPECT_EQ(count("168h0m0s"), 604800);
    EXPECT_EQ(count("1.5h"), 5400);
    EXPECT_EQ(count("+90s"), 90);
    EXPECT_EQ(count("-1m"), -60);
    EXPECT_EQ(count("1ms"), 1);
    EXPECT_EQ(count("2h3\xC2\xB5s"), 7201);
    for (const std::string_view text :
         {"", "-", "h", "1", "1 h", "1d", "1h2", "1hm", "99999999999h", "infinity"})
        EXPECT_FALSE(parseGoDuration(text)) << text;
}

}  // namespace
}  // namespace volumecrypt::config::test
