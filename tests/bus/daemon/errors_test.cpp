// SPDX-License-Identifier: Apache-2.0
// Every error that a volume on a plain file can raise, as a caller on the bus and a person at the
// command line meet it: real daemon, real engine.
#include <filesystem>
#include <sstream>

#include <nlohmann/json.hpp>

#include "error_rows.h"
#include "support/header_editor.h"
#include "support/process.h"

namespace volumecrypt::test {
namespace {

class ErrorTable : public Errors, public ::testing::WithParamInterface<ErrorRow> {};

// Engines and daemon write to one file here, as they do to one journal.
int timesLogged(const std::string &log, const std::string &message) {
    std::istringstream lines(log);
    int times = 0;
    for (std::string line; std::getline(lines, line);)
        if (line.find("failed: ") != std::string::npos && line.find(message) != std::string::npos)
            ++times;
    return times;
}

TEST_P(ErrorTable, IsTheSameEverywhere) {
    const ErrorRow &row = GetParam();
    ASSERT_NO_FATAL_FAILURE(row.prepare(*this));
    const bool there = std::filesystem::exists(image_);
    const std::string before = there ? bytesOfFile(image_) : "";
    const Answer answer = row.call(*this);
    EXPECT_EQ(answer, row.code) << answer.message;
    const std::string text = readable(answer.message);
    const auto newline = text.find('\n');
    const std::string message = text.substr(0, newline);
    EXPECT_THAT(message, row.message);
    EXPECT_EQ(newline == std::string::npos ? "" : text.substr(newline + 1), row.hint);
    const std::string verb = row.command.empty() ? "" : row.command.front();
    const bool isJob = verb == "sync" || verb == "format" || verb == "unlock";
    const std::string log = daemon_.log();
    const int times = timesLogged(log, answer.message.substr(0, newline));
    EXPECT_LE(times, 1) << log;
    if (isJob) {
        EXPECT_EQ(times, 1) << log;
    }
    if (!row.command.empty()) checkCommand(row, message);
    if (isJob) checkListed();
    EXPECT_TRUE((there ? bytesOfFile(image_) : "") == before) << "the device was changed";
}

Answer syncFails(Errors &t) {
    return t.job("Sync");
}
const std::vector<std::string> kSync{"sync", "u-data"};

// A good header of cryptsetup's, spoiled.
std::function<void(Errors &)> header(std::function<void(HeaderEditor &)> spoil) {
    return [spoil = std::move(spoil)](Errors &t) {
        t.declare();
        t.luksFormat();
        HeaderEditor editor(t.image_);
        spoil(editor);
        t.start();
    };
}

void fullMetadata(Errors &t) {
    t.declare({"1: secret", "2: more"});
    t.luksFormat({"--luks2-metadata-size", "16k"});
    const HeaderEditor editor(t.image_);
    editor.change([](nlohmann::json &json) {
        json["tokens"]["0"] = {
            {"type", "somebody"}, {"keyslots", nlohmann::json::array()}, {"fill", ""}};
        json["tokens"]["0"]["fill"] = std::string(12288 - json.dump().size() - 16, 'x');
    });
    t.start();
}

const std::vector<ErrorRow> kRows{
    {.name = "InvalidConfig",
     .prepare =
         [](Errors &t) {
             t.declare({"32: secret"});
             t.start();
         },
     .call = [](Errors &t) { return t.client_.call(kRoot, kManager, "Apply", Options()); },
     .command = {"apply"},
     .code = "InvalidConfig",
     .message = "CONFIG/data.yaml:8:14: slot 32 is out of range (0-31)",
     .hint = "Correct the configuration (`volumecryptctl check` lists all errors); nothing was "
             "changed."},
    {.name = "ADeclaredKeyIsNotRemoved",
     .prepare =
         [](Errors &t) {
             t.declare();
             t.luksFormat();
             t.start();
             t.sync();
         },
     .call =
         [](Errors &t) {
             return t.client_.call(t.data_, kVolume, "RemoveKey", std::uint32_t{1}, Options());
         },
     .command = {"remove-key", "u-data", "1"},
     .code = "InvalidConfig",
     .message = "volume u-data (IMAGE), slot 1: this key is declared in the "
                "configuration",
     .hint = "Remove it from the YAML, then run `volumecryptctl apply`."},
    {.name = "NotDeclared",
     .prepare = [](Errors &t) { t.start(); },
     .call =
         [](Errors &t) {
             sdbus::ObjectPath path;
             return t.client_.get(path, kRoot, kManager, "GetVolume", "u-data");
         },
     .command = {"status", "u-data"},
     .code = "NotFound",
     .message = "no volume 'u-data' is declared",
     .hint =
         "See `volumecryptctl list`; if it should be there, `volumecryptctl check` says what is "
         "wrong with the configuration, and `volumecryptctl reload` reads it again."},
    {.name = "TheDeviceIsGone",
     .prepare =
         [](Errors &t) {
             t.declare();
             t.luksFormat();
             t.start();
             std::filesystem::remove(t.image_);
         },
     .call = syncFails,
     .command = kSync,
     .code = "NotFound",
     .message = "volume u-data: IMAGE does not exist",
     .hint = "Connect the disk, or correct volume.device."},
    {.name = "NoSuchSlotToRemove",
     .prepare =
         [](Errors &t) {
             t.declare();
             t.start();
         },
     .call =
         [](Errors &t) {
             return t.client_.call(t.data_, kVolume, "RemoveKey", std::uint32_t{32}, Options());
         },
     .code = "NotFound",
     .message = "volume u-data, slot 32: there is no such key slot",
     .hint = "LUKS2 has the slots 0 to 31"},
    {.name = "NoSuchSlotToRotate",
     .prepare =
         [](Errors &t) {
             t.declare();
             t.start();
         },
     .call =
         [](Errors &t) {
             return t.client_.call(t.data_, kVolume, "RotateKey", std::uint32_t{4294967295U},
                                   Options());
         },
     .code = "NotFound",
     .message = "volume u-data, slot 4294967295: there is no such key slot",
     .hint = "LUKS2 has the slots 0 to 31"},
    {.name = "WrongKey",
     .prepare =
         [](Errors &t) {
             t.declare({"1: wrong"});
             t.luksFormat();
             t.start();
         },
     .call = syncFails,
     .command = kSync,
     .code = "NoUsableKey",
     .message = "volume u-data (IMAGE): no declared key opens it: slot 1: the "
                "declared static key does not open it",
     .hint = "Give a passphrase that opens it: `volumecryptctl unlock u-data "
             "--passphrase` asks for one and brings the declared keys in."},
    {.name = "TheLastKeyStays",
     .prepare =
         [](Errors &t) {
             t.declare();
             t.luksFormat();
             t.start();
             t.sync();
             ASSERT_EQ(t.addKey("secret"), 30U);
             t.cryptsetup({"luksKillSlot", t.image_, "1"}, "");
         },
     .call =
         [](Errors &t) {
             return t.client_.call(t.data_, kVolume, "RemoveKey", std::uint32_t{30}, Options());
         },
     .command = {"remove-key", "u-data", "30"},
     .code = "LastKey",
     .message = "volume u-data (IMAGE), slot 30: no other key could be proven to "
                "open the volume, so this one stays",
     .hint = "Declare a second key for the volume, or give one that opens it."},
    {.name = "TheSlotIsSomebodysElse",
     .prepare =
         [](Errors &t) {
             t.declare();
             t.luksFormat();
             t.start();
             t.sync();
             t.addForeignKey();
             t.declare({"1: secret", "7: ours"});
             t.reload();
         },
     .call = syncFails,
     .command = kSync,
     .code = "SlotInUse",
     .message = "volume u-data (IMAGE), slot 7: the slot holds a key that is not ours, and the "
                "declared key does not open it",
     .hint = "Declare the key in another slot, or declare this one as "
             "`unmanaged: {}`."},
    {.name = "Ext4",
     .prepare =
         [](Errors &t) {
             t.declare();
             ASSERT_EQ(
                 (Process{.argv = {"mkfs.ext4", "-q", t.image_}, .input = {}, .secret = {}}.run())
                     .exitCode,
                 0);
             t.start();
         },
     .call = [](Errors &t) { return t.jobConfirmed("Format"); },
     .command = {"format", "u-data", "--confirm=u-data"},
     .code = "NotBlank",
     .message = "volume u-data (IMAGE) is not blank: it holds an ext4 file system",
     .hint = "Nothing was written. To give up what it holds, run "
             "`volumecryptctl wipe u-data`, or format it with --force."},
    {.name = "Luks1",
     .prepare =
         [](Errors &t) {
             t.declare();
             t.cryptsetup({"luksFormat", "--type", "luks1", "--pbkdf-force-iterations", "1000",
                           "--key-file", "-", t.image_},
                          "secret");
             t.start();
         },
     .call = syncFails,
     .command = kSync,
     .code = "NotLuks2",
     .message = "volume u-data (IMAGE) is a LUKS1 volume, not LUKS2",
     .hint = "Nothing was written. Convert it with `cryptsetup convert IMAGE --type luks2`."},
    {.name = "EncryptedNotDeclared",
     .prepare =
         [](Errors &t) {
             t.declarePlain(t.image_);
             t.luksFormat();
             t.start();
         },
     .call = [](Errors &t) { return t.client_.call(t.data_, kVolume, "Unlock", Options()); },
     .command = {"unlock", "u-data"},
     .code = "EncryptedNotDeclared",
     .message = "volume is encrypted, but no encryption config provided: volume "
                "u-data (IMAGE)",
     .hint = "Nothing was written. Declare its `encryption`, or make it plain with its data: "
             "`volumecryptctl decrypt u-data`."},
    {.name = "ForeignVolume",
     .prepare =
         [](Errors &t) {
             t.declare();
             t.luksFormat();
             t.start();
             t.sync();
             std::filesystem::remove(t.image_);
             EXPECT_EQ(t.daemon_.makeImage("data"), t.image_);
             t.luksFormat();
         },
     .call = syncFails,
     .command = kSync,
     .code = "ForeignVolume",
     .message = ::testing::MatchesRegex(
         "volume u-data \\(IMAGE\\) is not the volume that this machine made: its "
         "UUID is [0-9a-f-]+, another one is remembered"),
     .hint = "The device may have been swapped, or restored from a copy. If "
             "this is meant, run `volumecryptctl forget u-data` and try again."},
    {.name = "VolumeVanished",
     .prepare =
         [](Errors &t) {
             t.declare();
             t.luksFormat();
             t.start();
             t.sync();
             std::filesystem::remove(t.image_);
             EXPECT_EQ(t.daemon_.makeImage("data"), t.image_);
         },
     .call = [](Errors &t) { return t.jobConfirmed("Format"); },
     .command = {"format", "u-data", "--confirm=u-data"},
     .code = "VolumeVanished",
     .message = "volume u-data (IMAGE) is empty, but this machine made an "
                "encrypted volume there and remembers it",
     .hint = "Nothing was written. The device may have been swapped or its "
             "header overwritten: restore a header backup if there is one. If "
             "this is meant, run `volumecryptctl forget u-data` and try again."},
    {.name = "BothCopiesDamaged",
     .prepare = header([](HeaderEditor &editor) {
         editor.damage(HeaderCopyOf::Primary);
         editor.damage(HeaderCopyOf::Secondary);
     }),
     .call = syncFails,
     .command = kSync,
     .code = "HeaderCorrupt",
     .message = "volume u-data (IMAGE): both copies of the LUKS2 header are damaged",
     .hint = "Restore the header from a backup: `volumecryptctl restore-header u-data FILE`."},
    {.name = "NullCipher",
     .prepare = header([](HeaderEditor &editor) {
         editor.change(
             [](nlohmann::json &json) { json["segments"]["0"]["encryption"] = "cipher_null-ecb"; });
     }),
     .call = syncFails,
     .command = kSync,
     .code = "HeaderRefused",
     .message = "volume u-data (IMAGE): the data is encrypted with "
                "\"cipher_null-ecb\", which is not one of aes-xts-plain64, "
                "xchacha12,aes-adiantum-plain64, xchacha20,aes-adiantum-plain64",
     .hint = "The header may have been tampered with. Look at it with "
             "`cryptsetup luksDump IMAGE`; if it is not yours, restore it from a backup: "
             "`volumecryptctl restore-header u-data FILE`."},
    {.name = "FullMetadata",
     .prepare = fullMetadata,
     .call = syncFails,
     .command = kSync,
     .code = "NoSpace",
     .message = "volume u-data (IMAGE), slot 2: the header has no room for its metadata: it "
                "takes up to 1120 bytes, 15 are free",
     .hint = "Make room: `cryptsetup luksDump IMAGE` shows tokens and key slots, `cryptsetup "
             "token remove --token-id N IMAGE` and `cryptsetup luksKillSlot IMAGE N` remove what "
             "nobody needs. No key was changed."},
    {.name = "AFileCannotBeMapped",
     .prepare =
         [](Errors &t) {
             t.declare();
             t.luksFormat();
             t.start();
         },
     .call = [](Errors &t) { return t.client_.call(t.data_, kVolume, "Unlock", Options()); },
     .command = {"unlock", "u-data", "--secret-file", "-"},
     .code = "Unsupported",
     .message = "volume u-data (IMAGE) is a plain file: it cannot be mapped",
     .hint = "Set a loop device up for it (`losetup --find --show IMAGE`) and declare that."},
    {.name = "APinThatCannotBeRead",
     .prepare =
         [](Errors &t) {
             t.declare();
             t.luksFormat();
             t.start();
             std::filesystem::create_directories(t.daemon_.root() +
                                                 "/etc/volumecrypt/state/pins/u-data.json");
         },
     .call = syncFails,
     .command = kSync,
     .code = "Io",
     .message = ::testing::HasSubstr("u-data.json is no regular file"),
     .hint = "If this is meant, run `volumecryptctl forget u-data` and try again."},
};

INSTANTIATE_TEST_SUITE_P(All, ErrorTable, testing::ValuesIn(kRows),
                         [](const auto &row) { return row.param.name; });

}  // namespace
}  // namespace volumecrypt::test
