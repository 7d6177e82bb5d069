// SPDX-License-Identifier: Apache-2.0
// The rules of the blocks `volume`, `filesystem` and `mount`.
#include <array>

#include "config/values.h"
#include "config_case.h"

namespace volumecrypt::config::test {
namespace {

class ConfigStorage : public testing::TestWithParam<Case> {};

TEST_P(ConfigStorage, Problems) {
    expectProblems(GetParam());
}

std::string rawVolume(const std::string &rest) {
    return "apiVersion: v1alpha1\nkind: RawVolumeConfig\nname: data\n" + rest;
}

std::string swapVolume(const std::string &rest) {
    return "apiVersion: v1alpha1\nkind: SwapVolumeConfig\nname: data\n" + rest;
}

// The value begins at 4:18.
std::string device(const std::string &value) {
    return userVolume("volume: {device: " + value + "}\n");
}

const std::vector<Case> kVolume{
    {"Device", device("/dev/disk/by-partuuid/1c5a9f0e-01"), {}},
    {"DeviceWithEscapedSpace", device("\"/dev/disk/by-label/My\\\\x20Disk\""), {}},
    {"RelativeDevice",
     device("vdb"),
     {"4:18: volume.device must be an absolute path, not \"vdb\""}},
    {"DeviceAsInFstab",
     device("PARTLABEL=data"),
     {"4:18: volume.device must be an absolute path, not \"PARTLABEL=data\""}},
    {"EmptyDevice", device("\"\""), {"4:18: volume.device must not be empty"}},
    {"DeviceOfWrongType", device("[]"), {"4:18: volume.device must be text, not a list"}},
    {"DoubledSlash",
     device("/dev//vdb"),
     {"4:18: volume.device must be a normalised path: \"/dev/vdb\", not \"/dev//vdb\""}},
    {"DotDot",
     device("/dev/../etc/x"),
     {"4:18: volume.device must be a normalised path: \"/etc/x\", not \"/dev/../etc/x\""}},
    {"LineEndInDevice",
     device("\"/dev/vdb\\nExecStart=/bin/sh\""),
     {"4:18: volume.device must not hold a control character"}},
    {"BackslashAtTheEnd",
     device("'/dev/vdb\\'"),
     {"4:18: volume.device must not end with a space or a backslash: \"/dev/vdb\\\""}},
    {"TooLongForAUnit",
     device("/dev/" + std::string(300, 'x')),
     {"4:18: volume.device is too long for the name of a systemd unit"}},
    {"Unlock", userVolume("volume: {unlock: manual}\n"), {}},
    {"UnknownUnlock",
     userVolume("volume: {unlock: never}\n"),
     {"4:18: volume.unlock must be auto or manual, not \"never\""}},
    {"Format", userVolume("volume: {format: never}\n"), {}},
    {"UnknownFormat",
     userVolume("volume: {format: always}\n"),
     {"4:18: volume.format must be ifEmpty or never, not \"always\""}},
    {"MetaOfState", systemVolume("STATE", "volume: {meta: /srv/meta.img}\n"), {}},
    {"MetaOfAnother",
     userVolume("volume: {meta: /dev/vdb1}\n"),
     {"4:16: volume.meta belongs to STATE only"}},
    {"UnknownField",
     userVolume("volume: {devise: /dev/vdb}\n"),
     {"4:10: unknown field \"devise\" of volume; did you mean \"device\"?"}},
};
INSTANTIATE_TEST_SUITE_P(Volume, ConfigStorage, testing::ValuesIn(kVolume), caseName);

// The value begins at 4:16.
std::string where(const std::string &value) {
    return userVolume("mount: {where: " + value + "}\n");
}

std::vector<Case> forbiddenMountPoints() {
    std::vector<Case> cases;
    for (const std::string path :
         {"/", "/usr", "/etc", "/boot", "/proc", "/sys", "/dev", "/run", "/proc/x", "/sys/kernel",
          "/dev/shm", "/usr/lib", "/usr/bin/x", "/usr/share", "/usr/locale", "/lib", "/lib64",
          "/libx32", "/lib/modules", "/sbin", "/bin", "/etc/data", "/etc/systemd", "/run/systemd",
          "/run/lock", "/boot/efi", "/boot/data", "/efi", "/sysroot/data", "/var/run", "/var/run/x",
          "/var/lock", "/run/mediator",
          // Our own.
          "/etc/volumecrypt", "/etc/volumecrypt/state", "/run/volumecrypt",
          "/usr/libexec/volumecrypt", "/usr/lib/volumecrypt"}) {
        static std::vector<std::string> names;  // a Case keeps a pointer
        names.reserve(64);
        std::string name = "Path";
        for (const char c : path) name += c == '/' ? '_' : c;
        names.push_back(name);
        cases.push_back({names.back().c_str(),
                         where(path),
                         {"4:16: mount.where must not be \"" + path +
                          "\": a volume there would hide the running system"}});
    }
    return cases;
}
INSTANTIATE_TEST_SUITE_P(Forbidden, ConfigStorage, testing::ValuesIn(forbiddenMountPoints()),
                         caseName);

const std::vector<Case> kWhere{
    {"Where", where("/srv/data"), {}},
    {"BelowRun", where("/run/media/data"), {}},
    {"Var", where("/var"), {}},
    {"BelowVar", where("/var/lib/volumecrypt"), {}},
    {"VarRunner", where("/var/runner"), {}},
    {"UsrLocal", where("/usr/local"), {}},
    {"UsrSrc", where("/usr/src/linux"), {}},
    {"Home", where("/home"), {}},
    {"Root", where("/root"), {}},
    {"Opt", where("/opt/app"), {}},
    {"Mnt", where("/mnt/data"), {}},
    {"Tmp", where("/tmp"), {}},
    {"Library", where("/library"), {}},
    {"Devices", where("/devices"), {}},
    {"System", where("/system"), {}},
    {"WithSpaceInside", where("\"/srv/my data\""), {}},
    {"Relative",
     where("srv/data"),
     {"4:16: mount.where must be an absolute path, not \"srv/data\""}},
    {"TrailingSlash",
     where("/srv/data/"),
     {"4:16: mount.where must be a normalised path: \"/srv/data\", not \"/srv/data/\""}},
    {"TwoLeadingSlashes",
     where("//usr"),
     {"4:16: mount.where must be a normalised path: \"/usr\", not \"//usr\""}},
    {"DotDotToUsr",
     where("/srv/../usr"),
     {"4:16: mount.where must be a normalised path: \"/usr\", not \"/srv/../usr\""}},
    {"ControlCharacter",
     where("\"/srv/a\\tb\""),
     {"4:16: mount.where must not hold a control character"}},
    {"ControlCharacterOfUnicode",
     where("\"/srv/a\\u0085b\""),
     {"4:16: mount.where must not hold a control character"}},
    {"SpaceAtTheEnd",
     where("\"/srv/a \""),
     {"4:16: mount.where must not end with a space or a backslash: \"/srv/a \""}},
    {"Unicode", where("/srv/über"), {}},
    {"OfWrongType", where("{}"), {"4:16: mount.where must be text, not a map"}},
    {"RawVolume",
     rawVolume("mount: {where: /srv, options: [ro]}\n"),
     {"4:16: mount.where: a raw volume is not mounted",
      "4:31: mount.options: a raw volume is not mounted"}},
    {"SwapVolume",
     swapVolume("mount: {where: /srv}\n"),
     {"4:16: mount.where: a swap volume is not mounted"}},
    {"WithoutFilesystem",
     userVolume("mount: {where: /srv}\nfilesystem: {type: none}\n"),
     {"4:16: mount.where needs a file system, but filesystem.type is none"}},
};
INSTANTIATE_TEST_SUITE_P(Where, ConfigStorage, testing::ValuesIn(kWhere), caseName);

// With another prefix our programs are not below /usr.
TEST(ConfigMountPoints, OwnDirectoriesAreNotHidden) {
    const std::array<std::string_view, 1> own{"/usr/local/libexec/volumecrypt"};
    for (const std::string_view path :
         {"/usr/local", "/usr/local/libexec", "/usr/local/libexec/volumecrypt/x"})
        EXPECT_TRUE(hidesSystem(path, own)) << path;
    for (const std::string_view path : {"/usr/local/lib", "/usr/local/libexec/volumecrypt2"})
        EXPECT_FALSE(hidesSystem(path, own)) << path;
    EXPECT_FALSE(hidesSystem("/usr/local", {}));
}

// The first option begins at 4:19.
std::string options(const std::string &items) {
    return userVolume("mount: {options: [" + items + "]}\n");
}

const std::vector<Case> kMount{
    {"Options", options("nodev, nosuid, \"context=system_u:object_r:x:s0\", x-my.own"), {}},
    {"OptionWithSpace",
     options("\"nodev \""),
     {"4:19: mount.options: must not hold white space or control characters: \"nodev \""}},
    {"OptionWithLineEnd",
     options("\"nodev\\nWhere=/\""),
     {"4:19: mount.options: must not hold white space or control characters: "
      "\"nodev\\x0aWhere=/\""}},
    {"OptionWithComma",
     options("\"nodev,nosuid\""),
     {"4:19: mount.options: must be one option, not \"nodev,nosuid\": write each as an entry of "
      "its own"}},
    {"OptionWithBackslash",
     options("'nodev\\'"),
     {"4:19: mount.options: must not hold a backslash: \"nodev\\\""}},
    {"EmptyOption", options("\"\""), {"4:19: mount.options: must not be empty"}},
    {"OptionsThatOtherFieldsSay",
     options("nofail, noauto, x-systemd.device-timeout=1s"),
     {"4:19: mount.options: \"nofail\" is said by mount.required: false",
      "4:27: mount.options: \"noauto\" is said by volume.unlock",
      "4:35: mount.options: \"x-systemd.device-timeout=1s\" works in fstab only"}},
    {"OptionsAsText",
     userVolume("mount: {options: \"nodev,nosuid\"}\n"),
     {"4:18: mount.options must be a list, not text"}},
    {"OptionOfWrongType", options("{}"), {"4:19: mount.options[0] must be text, not a map"}},
    {"OptionsWithoutWhere",
     systemVolume("EPHEMERAL", "mount: {options: [nodev]}\n"),
     {"4:18: mount.options needs a mount.where"}},
    {"Required", userVolume("mount: {required: yes}\n"), {}},
    {"RequiredOfWrongType",
     userVolume("mount: {required: 1}\n"),
     {"4:19: mount.required must be true or false, not \"1\""}},
    {"RequiredButUnlockedByHand",
     userVolume("volume: {unlock: manual}\nmount: {required: true}\n"),
     {"5:19: mount.required: a volume that is unlocked by hand (volume.unlock) cannot be "
      "required"}},
    {"RequiredRawVolume", rawVolume("mount: {required: true, deviceTimeout: 5s}\n"), {}},
    {"WrongTimeout",
     userVolume("mount: {deviceTimeout: soon}\n"),
     {"4:24: mount.deviceTimeout must be a time such as 15s, 1min or 2h, not \"soon\""}},
    {"UnknownField", userVolume("mount: {safe: true}\n"), {"4:9: unknown field \"safe\" of mount"}},
    {"SecureOfWrongType",
     userVolume("mount: {secure: 1}\n"),
     {"4:17: mount.secure must be true or false, not \"1\""}},
    {"TalosFieldsOfState",
     systemVolume("STATE", "mount: {secure: true, disableAccessTime: false}\n"),
     {"4:17: mount config is not allowed for the \"STATE\" volume",
      "4:42: mount config is not allowed for the \"STATE\" volume"}},
    // Talos' generator writes it into every EPHEMERAL.
    {"SecureWithoutWhere",
     systemVolume("EPHEMERAL", "mount: {secure: true, disableAccessTime: true}\n"),
     {"warning 4:17: mount.secure does nothing without a mount.where"}},
};
INSTANTIATE_TEST_SUITE_P(Mount, ConfigStorage, testing::ValuesIn(kMount), caseName);

// The type begins at 4:20.
std::string filesystem(const std::string &type, const std::string &rest = "") {
    return userVolume("filesystem: {type: " + type + rest + "}\n");
}

const std::vector<Case> kFilesystems{
    {"Xfs", filesystem("xfs"), {}},
    {"Ext4", filesystem("ext4"), {}},
    {"Btrfs", filesystem("btrfs"), {}},
    {"Vfat", filesystem("vfat"), {}},
    {"None", filesystem("none"), {}},
    {"Unknown", filesystem("ntfs"), {"4:20: unsupported filesystem type: ntfs"}},
    {"SwapOnAUserVolume", filesystem("swap"), {"4:20: unsupported filesystem type: swap"}},
    {"NoneOnState",
     systemVolume("STATE", "filesystem: {type: none}\n"),
     {"4:20: unsupported filesystem type: none"}},
    {"SwapOnSwap", swapVolume("filesystem: {type: swap, label: pages}\n"), {}},
    {"XfsOnSwap",
     swapVolume("filesystem: {type: xfs}\n"),
     {"4:20: unsupported filesystem type: xfs"}},
    {"XfsOnRaw",
     rawVolume("filesystem: {type: xfs}\n"),
     {"4:20: unsupported filesystem type: xfs"}},
    {"NoneOnRaw", rawVolume("filesystem: {type: none}\n"), {}},
    {"TypeOfWrongType", filesystem("[xfs]"), {"4:20: filesystem.type must be text, not a list"}},
    {"ProjectQuotaOnXfs", filesystem("xfs", ", projectQuotaSupport: true"), {}},
    {"ProjectQuotaOnExt4",
     filesystem("ext4", ", projectQuotaSupport: true"),
     {"4:47: project quota support is only available for xfs filesystem"}},
    {"NoProjectQuotaOnExt4", filesystem("ext4", ", projectQuotaSupport: false"), {}},
    {"UnknownField",
     filesystem("xfs", ", lable: x"),
     {"4:25: unknown field \"lable\" of filesystem; did you mean \"label\"?"}},
};
INSTANTIATE_TEST_SUITE_P(Filesystem, ConfigStorage, testing::ValuesIn(kFilesystems), caseName);

// The label is the first field and begins at 4:21.
std::string label(const std::string &text, const std::string &type) {
    return userVolume("filesystem: {label: \"" + text + "\", type: " + type + "}\n");
}

const std::vector<Case> kLabels{
    {"XfsFull", label("123456789012", "xfs"), {}},
    {"XfsOver",
     label("1234567890123", "xfs"),
     {"4:21: filesystem.label \"1234567890123\" has 13 bytes; xfs takes 12"}},
    {"Ext4Full", label("1234567890123456", "ext4"), {}},
    {"Ext4Over",
     label("12345678901234567", "ext4"),
     {"4:21: filesystem.label \"12345678901234567\" has 17 bytes; ext4 takes 16"}},
    {"BtrfsFull", label(std::string(255, 'x'), "btrfs"), {}},
    {"BtrfsOver",
     label(std::string(256, 'x'), "btrfs"),
     {"4:21: filesystem.label \"" + std::string(64, 'x') + "…\" has 256 bytes; btrfs takes 255"}},
    {"VfatFull", label("12345678901", "vfat"), {}},
    {"VfatOver",
     label("123456789012", "vfat"),
     {"4:21: filesystem.label \"123456789012\" has 12 bytes; vfat takes 11"}},
    {"VfatCharacters",
     label("A/B", "vfat"),
     {"4:21: filesystem.label \"A/B\" holds characters that vfat does not take"}},
    {"VfatUmlaut",
     label("Ä", "vfat"),
     {"4:21: filesystem.label \"Ä\" holds characters that vfat does not take"}},
    {"BytesCount",
     label("äääääää", "xfs"),
     {"4:21: filesystem.label \"äääääää\" has 14 bytes; xfs takes 12"}},
    {"Empty", label("", "xfs"), {}},
    {"ControlCharacter",
     label("a\\x07", "xfs"),
     {"4:21: filesystem.label must not hold a control character"}},
    {"WithoutFilesystem",
     label("x", "none"),
     {"4:21: filesystem.label needs a file system, but filesystem.type is none"}},
    {"SwapOver",
     swapVolume("filesystem: {label: 1234567890123456}\n"),
     {"4:21: filesystem.label \"1234567890123456\" has 16 bytes; swap takes 15"}},
};
INSTANTIATE_TEST_SUITE_P(Labels, ConfigStorage, testing::ValuesIn(kLabels), caseName);

}  // namespace
}  // namespace volumecrypt::config::test
