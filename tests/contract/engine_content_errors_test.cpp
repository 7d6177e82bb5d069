// SPDX-License-Identifier: Apache-2.0
// What may be on a device instead of the declared volume, and how the engine refuses it.
#include <cstring>
#include <filesystem>

#include "base/files.h"
#include "support/error_matrix.h"
#include "support/fake_sysfs.h"
#include "support/header_editor.h"

namespace volumecrypt::test {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;

constexpr const char *kContentKey = "- {slot: 1, static: {passphrase: secret}}";
constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

class EngineContentErrors : public ErrorMatrix, public testing::WithParamInterface<ErrorCase> {};

TEST_P(EngineContentErrors, AreTold) {
    check(GetParam());
}

void littleEndian(std::string &block, std::size_t at, std::uint64_t value, std::size_t size) {
    for (std::size_t i = 0; i < size; ++i, value >>= 8U)
        block[at + i] = static_cast<char>(value & 0xffU);
}

// A RAID member's superblock, version 1.2: at sector 8.
std::string raidSuperblock() {
    std::string block(256, '\0');
    littleEndian(block, 0, 0xa92b4efc, 4);
    littleEndian(block, 4, 1, 4);
    block.replace(16, 16, "0123456789abcdef");
    block.replace(32, 9, "host:data");
    littleEndian(block, 72, 1, 4);
    littleEndian(block, 80, 8192, 8);
    littleEndian(block, 92, 2, 4);
    littleEndian(block, 136, 8192, 8);
    littleEndian(block, 144, 8, 8);
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < block.size(); i += 4) {
        std::uint32_t word = 0;
        std::memcpy(&word, block.data() + i, sizeof word);
        sum += word;
    }
    littleEndian(block, 216, (sum & 0xffffffffU) + (sum >> 32U), 4);
    return block;
}

std::function<void(ErrorMatrix &)> declaredThen(std::function<void(ErrorMatrix &)> spoil) {
    return [spoil = std::move(spoil)](ErrorMatrix &t) {
        t.declare(kContentKey);
        spoil(t);
    };
}

// A good header of cryptsetup's, spoiled.
std::function<void(ErrorMatrix &)> header(std::function<void(HeaderEditor &)> spoil) {
    return declaredThen([spoil = std::move(spoil)](ErrorMatrix &t) {
        t.luksFormat("secret", 1);
        HeaderEditor editor(t.image_);
        spoil(editor);
    });
}

void ext4(ErrorMatrix &t) {
    const ProcessResult done =
        Process{.argv = {"mkfs.ext4", "-q", t.image_}, .input = {}, .secret = {}}.run();
    ASSERT_EQ(done.exitCode, 0) << done.err;
}

// Adopted by a sync, and so pinned.
void adopted(ErrorMatrix &t) {
    t.luksFormat("secret", 1);
    ASSERT_EQ(t.engine("sync").exitCode, 0);
}

void nothing(ErrorMatrix & /*t*/) {}

const std::vector<ErrorCase> kContentCases{
    {.name = "Blank",
     .prepare = declaredThen(nothing),
     .verb = "sync",
     .code = "NotLuks2",
     .message = "volume u-data (IMAGE) is blank",
     .hint = "Run `volumecryptctl unlock u-data` to encrypt and format it."},
    {.name = "Ext4",
     .prepare = declaredThen(ext4),
     .verb = "sync",
     .code = "NotBlank",
     .message = "volume u-data (IMAGE) holds an ext4 file system, not an encrypted "
                "volume",
     .hint = "Nothing was written. `volumecryptctl encrypt u-data` encrypts it where it is, with "
             "its data; or save its data, then run `volumecryptctl wipe u-data` and unlock it "
             "again."},
    {.name = "FormatOverExt4",
     .prepare = declaredThen(ext4),
     .verb = "format",
     .code = "NotBlank",
     .message = "volume u-data (IMAGE) is not blank: it holds an ext4 file system",
     .hint = "Nothing was written. To give up what it holds, run "
             "`volumecryptctl wipe u-data`, or format it with --force."},
    {.name = "FormatOverLuks2",
     .prepare = declaredThen([](ErrorMatrix &t) { t.luksFormat("secret", 1); }),
     .verb = "format",
     .code = "NotBlank",
     .message = "volume u-data (IMAGE) is not blank: it holds a LUKS2 volume",
     .hint = "Nothing was written. `volumecryptctl unlock u-data` opens it if a declared key does; "
             "`cryptsetup luksDump IMAGE` shows what it is."},
    {.name = "FormatOverOneThatIsRemembered",
     .prepare = declaredThen(adopted),
     .verb = "format",
     .code = "NotBlank",
     .message = "volume u-data (IMAGE) is not blank: it holds a LUKS2 volume",
     .hint = "Nothing was written. `volumecryptctl unlock u-data` opens it if a declared key does; "
             "`cryptsetup luksDump IMAGE` shows what it is."},
    {.name = "FormatOverBytesOfNobody",
     .prepare = declaredThen([](ErrorMatrix &t) { t.overwriteImage(3 * kMiB + 5, "x"); }),
     .verb = "format",
     .code = "NotBlank",
     .message = "volume u-data (IMAGE) is not blank: it holds data of unknown kind",
     .hint = "Nothing was written. To give up what it holds, run "
             "`volumecryptctl wipe u-data`, or format it with --force."},
    {.name = "Luks1",
     .prepare = declaredThen([](ErrorMatrix &t) {
         ASSERT_EQ(t.cryptsetup({"luksFormat", "--type", "luks1", "--pbkdf-force-iterations",
                                 "1000", "--key-file", "-", t.image_},
                                "secret")
                       .exitCode,
                   0);
     }),
     .verb = "sync",
     .code = "NotLuks2",
     .message = "volume u-data (IMAGE) is a LUKS1 volume, not LUKS2",
     .hint = "Nothing was written. Convert it with `cryptsetup convert IMAGE --type luks2`."},
    {.name = "RaidMember",
     .prepare = declaredThen([](ErrorMatrix &t) { t.overwriteImage(4096, raidSuperblock()); }),
     .verb = "sync",
     .code = "NotBlank",
     .message = "volume u-data (IMAGE) holds a RAID member (linux_raid_member), "
                "not an encrypted volume",
     .hint = "Nothing was written. Save its data, then run `volumecryptctl wipe "
             "u-data` and unlock it again."},
    {.name = "EncryptedNotDeclared",
     .prepare =
         [](ErrorMatrix &t) {
             t.luksFormat("secret", 1);
             t.writeConfig(
                 "apiVersion: v1alpha1\nkind: UserVolumeConfig\nname: data\nvolume: {device: " +
                 t.image_ + "}\n");
         },
     .verb = "attach",
     .code = "EncryptedNotDeclared",
     .message = "volume is encrypted, but no encryption config provided: volume "
                "u-data (IMAGE)",
     .hint = "Nothing was written. Declare its `encryption`, or make it plain with its data: "
             "`volumecryptctl decrypt u-data`."},
    {.name = "OtherFilesystem",
     .prepare =
         [](ErrorMatrix &t) {
             ext4(t);
             t.writeConfig(
                 "apiVersion: v1alpha1\nkind: UserVolumeConfig\nname: data\nvolume: {device: " +
                 t.image_ + "}\nfilesystem: {type: btrfs}\n");
         },
     .verb = "attach",
     .code = "NotBlank",
     .message = "filesystem type mismatch: ext4 != btrfs (volume u-data (IMAGE))",
     .hint = "Nothing was written. Declare the type that is there, or give its "
             "data up with `volumecryptctl wipe u-data`."},
    {.name = "TruncatedHeader",
     .prepare = declaredThen([](ErrorMatrix &t) {
         t.luksFormat("secret", 1);
         std::filesystem::resize_file(t.image_, kMiB);
     }),
     .verb = "sync",
     .code = "HeaderCorrupt",
     .message = "volume u-data (IMAGE): the header claims 16777216 bytes, the "
                "device has 1048576",
     .hint = "Nothing was written. Restore the header from a backup: `volumecryptctl "
             "restore-header u-data FILE`."},
    {.name = "HeaderCutInsideTheFirstCopy",
     .prepare = declaredThen([](ErrorMatrix &t) {
         t.luksFormat("secret", 1);
         std::filesystem::resize_file(t.image_, 8192);
     }),
     .verb = "sync",
     .code = "NotLuks2",
     .message = "volume u-data (IMAGE): too small for a LUKS2 header",
     .hint = ""},
    {.name = "BothCopiesDamaged",
     .prepare = header([](HeaderEditor &editor) {
         editor.damage(HeaderCopyOf::Primary);
         editor.damage(HeaderCopyOf::Secondary);
     }),
     .verb = "sync",
     .code = "HeaderCorrupt",
     .message = "volume u-data (IMAGE): both copies of the LUKS2 header are damaged",
     .hint = "Restore the header from a backup: `volumecryptctl restore-header u-data FILE`."},
    {.name = "CopiesDiffer",
     .prepare = header([](HeaderEditor &editor) {
         editor.changeOne(HeaderCopyOf::Secondary, [](nlohmann::json &json) {
             json["config"]["flags"] = {"same-cpu-crypt"};
         });
     }),
     .verb = "sync",
     .code = "HeaderCorrupt",
     .message = "volume u-data (IMAGE): both copies of the LUKS2 header claim the "
                "sequence number 3 and differ",
     .hint = "Somebody may have tampered with the disk. Restore the header from "
             "a backup: `volumecryptctl restore-header u-data FILE`."},
    {.name = "NullCipher",
     .prepare = header([](HeaderEditor &editor) {
         editor.change(
             [](nlohmann::json &json) { json["segments"]["0"]["encryption"] = "cipher_null-ecb"; });
     }),
     .verb = "sync",
     .code = "HeaderRefused",
     .message = "volume u-data (IMAGE): the data is encrypted with "
                "\"cipher_null-ecb\", which is not one of aes-xts-plain64, "
                "xchacha12,aes-adiantum-plain64, xchacha20,aes-adiantum-plain64",
     .hint = "The header may have been tampered with. Look at it with "
             "`cryptsetup luksDump IMAGE`; if it is not yours, restore it from a backup: "
             "`volumecryptctl restore-header u-data FILE`."},
    {.name = "NullCipherOfASlot",
     .prepare = header([](HeaderEditor &editor) {
         editor.change([](nlohmann::json &json) {
             json["keyslots"]["1"]["area"]["encryption"] = "cipher_null-ecb";
         });
     }),
     .verb = "sync",
     .code = "HeaderRefused",
     .message = "volume u-data (IMAGE): key slot 1 is encrypted with "
                "\"cipher_null-ecb\", which is not one of aes-xts-plain64, "
                "xchacha12,aes-adiantum-plain64, xchacha20,aes-adiantum-plain64",
     .hint = "The header may have been tampered with. Look at it with "
             "`cryptsetup luksDump IMAGE`; if it is not yours, restore it from a backup: "
             "`volumecryptctl restore-header u-data FILE`.",
     .slot = 1},
    {.name = "UnknownRequirement",
     .prepare = header([](HeaderEditor &editor) {
         editor.change([](nlohmann::json &json) {
             json["config"]["requirements"] = {{"mandatory", {"time-travel"}}};
         });
     }),
     .verb = "inspect",
     .code = "HeaderRefused",
     .message = "volume u-data (IMAGE): the header has the requirement "
                "\"time-travel\", which is not known",
     .hint = "The header may have been tampered with. Look at it with "
             "`cryptsetup luksDump IMAGE`; if it is not yours, restore it from a backup: "
             "`volumecryptctl restore-header u-data FILE`."},
    {.name = "KdfWantsAbsurdMemory",
     .prepare = header([](HeaderEditor &editor) {
         editor.change([](nlohmann::json &json) {
             auto &kdf = json["keyslots"]["1"]["kdf"];
             kdf = {{"type", "argon2id"},
                    {"time", 4},
                    {"memory", 2147483647},
                    {"cpus", 4},
                    {"salt", kdf["salt"]}};
         });
     }),
     .verb = "sync",
     .code = "NoUsableKey",
     .message = MatchesRegex(
         "volume u-data \\(IMAGE\\): no declared key opens it: slot 1: the KDF of key "
         "slot 1 asks for 2147483647 KiB of memory, more than half of the [0-9]+ KiB here"),
     .hint = "Give a passphrase that opens it: `volumecryptctl unlock u-data "
             "--passphrase` asks for one and brings the declared keys in."},
    {.name = "ForeignVolume",
     .prepare = declaredThen([](ErrorMatrix &t) {
         adopted(t);
         t.makeImage();
         t.luksFormat("secret", 1);
     }),
     .verb = "sync",
     .code = "ForeignVolume",
     .message = MatchesRegex(
         "volume u-data \\(IMAGE\\) is not the volume that this machine made: its UUID is "
         "[0-9a-f-]+, another one is remembered"),
     .hint = "The device may have been swapped, or restored from a copy. If "
             "this is meant, run `volumecryptctl forget u-data` and try again."},
    {.name = "VolumeVanished",
     .prepare = declaredThen([](ErrorMatrix &t) {
         adopted(t);
         t.makeImage();
     }),
     .verb = "format",
     .code = "VolumeVanished",
     .message = "volume u-data (IMAGE) is empty, but this machine made an "
                "encrypted volume there and remembers it",
     .hint = "Nothing was written. The device may have been swapped or its "
             "header overwritten: restore a header backup if there is one. If "
             "this is meant, run `volumecryptctl forget u-data` and try again."},
    {.name = "DamagedPin",
     .prepare = declaredThen([](ErrorMatrix &t) {
         adopted(t);
         t.directory_.write("root/etc/volumecrypt/state/pins/u-data.json", "{\"uuid\":");
     }),
     .verb = "sync",
     .code = "HeaderCorrupt",
     .message = HasSubstr("pins/u-data.json cannot be read"),
     .hint = "If this is meant, run `volumecryptctl forget u-data` and try "
             "again."},
    {.name = "PinThatCannotBeRead",
     .prepare = declaredThen([](ErrorMatrix &t) {
         t.luksFormat("secret", 1);
         std::filesystem::create_directories(t.root_ + "/etc/volumecrypt/state/pins/u-data.json");
     }),
     .verb = "sync",
     .code = "Io",
     .message = HasSubstr("pins/u-data.json is no regular file: it is not opened"),
     .hint = "If this is meant, run `volumecryptctl forget u-data` and try "
             "again."},
};

INSTANTIATE_TEST_SUITE_P(Table, EngineContentErrors, testing::ValuesIn(kContentCases), nameOfCase);

// The kernel's view is a tree of ours, mounted over /sys for the engine alone.
class EngineAmbiguousDevice : public ErrorMatrix {};

TEST_F(EngineAmbiguousDevice, TwoPartitionsWithOneLabel) {
    const FakeSysfs sysfs;
    for (const char *const disk : {"sda", "sdb"}) {
        const std::string number = disk == std::string("sda") ? "8:" : "8:1";
        const auto path = sysfs.addDisk(std::string("pci0/") + disk, disk, number + "0");
        sysfs.addPartition(path, std::string(disk) + "1", number + "1", 1, "u-data");
    }
    check({.name = "TwoPartitionsWithOneLabel",
           .prepare =
               [](ErrorMatrix &t) {
                   t.writeConfig("apiVersion: v1alpha1\nkind: UserVolumeConfig\nname: data\n");
               },
           .verb = "sync",
           .code = "AmbiguousDevice",
           .message = "volume u-data: 2 partitions have the GPT label \"u-data\": "
                      "/dev/sda1, /dev/sdb1",
           .hint = "None of them was touched. Disconnect or relabel all but one, or "
                   "name the device in volume.device by /dev/disk/by-partuuid/ or "
                   "by-id/.",
           .wrapper = {"unshare", "--mount", "sh", "-c",
                       "mount --bind " + sysfs.root() + " /sys && exec \"$@\"", "sh"}});
}

}  // namespace
}  // namespace volumecrypt::test
