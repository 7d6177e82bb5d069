// SPDX-License-Identifier: Apache-2.0
// backup-header and restore-header on plain files: the form is cryptsetup's, and what is not this
// volume's header is not written.
#include <filesystem>
#include <fstream>

#include <sys/mman.h>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include "base/files.h"
#include "base/unique_fd.h"
#include "support/volume_fixture.h"

namespace volumecrypt::test {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::streamoff kSecondary = 128 << 10;
constexpr std::streamoff kData = 16 << 20;

class EngineHeaderTest : public VolumeFixture {
  protected:
    void SetUp() override {
        makeImage();
        declare("- {slot: 0, nodeID: {}}\n- {slot: 1, static: {passphrase: secret}}");
        luksFormat();
        ASSERT_EQ(engine("sync").exitCode, 0);
        put(std::streamoff{39} << 20, "what is stored on it");
    }
    // Adopted by a sync it is in use, and pinned.
    void luksFormat() const {
        ASSERT_EQ(cryptsetup({"luksFormat", "--type", "luks2", "--pbkdf", "pbkdf2",
                              "--pbkdf-force-iterations", "1000", "--luks2-metadata-size", "128k",
                              "--key-slot", "1", "--key-file", "-", image_},
                             "secret")
                      .exitCode,
                  0);
    }
    void put(std::streamoff at, const std::string &bytes) const {
        std::fstream file(image_, std::ios::in | std::ios::out | std::ios::binary);
        file.seekp(at);
        file << bytes;
    }
    void damageBoth() const {
        put(4096 + 100, "damaged");
        put(kSecondary + 4096 + 100, "damaged");
    }
    [[nodiscard]] std::string asCryptsetupWritesIt() const {
        const std::string file = directory_.file("header");
        fs::remove(file);
        EXPECT_EQ(cryptsetup({"luksHeaderBackup", image_, "--header-backup-file", file}).exitCode,
                  0);
        return *base::readFile(file);
    }
    // The engine inherits it; 3 is that of a secret.
    EngineResult withFile(const std::string &verb, int fd, std::vector<std::string> more,
                          std::optional<std::string> secret = {}) const {
        const base::UniqueFd inherited(::fcntl(fd, F_DUPFD, 100));  // NOLINT(android-cloexec-dup)
        more.insert(more.end(), {"--header-fd", std::to_string(inherited.get())});
        return engine(verb, more, std::move(secret));
    }
    EngineResult backupTo(const std::string &path, int flags = O_WRONLY | O_CREAT | O_EXCL) {
        const int fd = ::open(path.c_str(), flags, 0600);  // NOLINT(android-cloexec-open)
        const base::UniqueFd closed(fd);
        return withFile("backup-header", fd, {});
    }
    std::string backup() {
        fs::remove(file_);
        const EngineResult done = backupTo(file_);
        EXPECT_EQ(done.exitCode, 0) << done.last().dump();
        return *base::readFile(file_);
    }
    EngineResult restore(const std::string &bytes, std::vector<std::string> more = {},
                         std::optional<std::string> secret = {}) {
        const int fd = ::memfd_create("backup", 0);  // NOLINT(android-cloexec-memfd-create)
        const base::UniqueFd closed(fd);
        EXPECT_EQ(::write(fd, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
        EXPECT_EQ(::lseek(fd, 0, SEEK_SET), 0);
        return withFile("restore-header", fd, std::move(more), std::move(secret));
    }
    void expectRefused(const std::string &bytes, const std::string &code, const std::string &why,
                       std::vector<std::string> more = {}) {
        const std::string before = imageBytes();
        const EngineResult refused = restore(bytes, std::move(more));
        EXPECT_EQ(refused.code(), code) << refused.last().dump();
        EXPECT_THAT(refused.last().at("message").get<std::string>(), HasSubstr(why));
        EXPECT_TRUE(imageBytes() == before) << "nothing was written";
        EXPECT_FALSE(refused.last().contains("keys")) << "of the backup, not of the volume";
        EXPECT_TRUE(fs::is_empty(kept()) || !fs::exists(kept()));
    }
    [[nodiscard]] std::string kept() const {
        fs::create_directories(root_ + "/etc/volumecrypt/state/backups");
        return root_ + "/etc/volumecrypt/state/backups";
    }
    void change() {
        declare("- {slot: 0, nodeID: {}}\n- {slot: 1, static: {passphrase: changed}}");
        ASSERT_EQ(engine("sync").exitCode, 0);
        ASSERT_TRUE(opens(1, "changed"));
    }
    EngineResult confirmed(const std::string &verb) {
        return engine(verb, {"--confirm", "u-data"});
    }

    std::string file_ = directory_.file("backup");
};

TEST_F(EngineHeaderTest, ABackupIsWhatCryptsetupWrites) {
    const std::string before = imageBytes();
    const std::string bytes = backup();
    EXPECT_TRUE(imageBytes() == before);
    EXPECT_TRUE(bytes == asCryptsetupWritesIt());
    EXPECT_EQ(
        cryptsetup({"open", "--test-passphrase", "--header", file_, image_}, "secret").exitCode, 0);
    put(0, std::string(kData, '\0'));
    ASSERT_EQ(cryptsetup({"luksHeaderRestore", image_, "--header-backup-file", file_}).exitCode, 0);
    EXPECT_TRUE(imageBytes() == before);
}

// A part of the data is encrypted by the key to come, which the backup does not have.
TEST_F(EngineHeaderTest, NotWhileTheVolumeKeyIsBeingChanged) {
    const std::string bytes = backup();
    const std::string path = root_ + "/etc/volumecrypt/state/pins/u-data.json";
    std::string pin = *base::readFile(path);
    const std::string digest(64, 'a');
    pin.insert(1, R"("next":{"digest":")" + digest + R"(","mac":")" + digest + R"("},)");
    std::ofstream(path) << pin;
    put(0, std::string(kData, '\0'));
    expectRefused(bytes, "HeaderRefused", "is getting a new volume key");
    ASSERT_EQ(confirmed("forget").exitCode, 0);
    EXPECT_EQ(restore(bytes, {"--confirm", "u-data"}).exitCode, 0);
}

TEST_F(EngineHeaderTest, ADamagedCopyIsWholeInTheBackup) {
    put(4096 + 100, "damaged");
    const std::string before = imageBytes();
    const EngineResult done = backupTo(file_);
    ASSERT_EQ(done.exitCode, 0) << done.last().dump();
    EXPECT_EQ(done.last().at("changed"), false);
    EXPECT_TRUE(imageBytes() == before) << "backing up repairs nothing";
    EXPECT_EQ(
        cryptsetup({"open", "--test-passphrase", "--header", file_, image_}, "secret").exitCode, 0);
    EXPECT_EQ(base::readFile(file_)->substr(4096, 3), "{\"k");
}

TEST_F(EngineHeaderTest, WhereABackupGoes) {
    EXPECT_EQ(engine("backup-header").exitCode, 64);
    const std::string full = directory_.file("full");
    std::ofstream(full) << "something";
    EXPECT_THAT(backupTo(full, O_WRONLY).last().at("message"), HasSubstr("holds something"));
    EXPECT_EQ(*base::readFile(full), "something");
    std::ofstream(directory_.file("empty")).flush();
    EXPECT_THAT(backupTo(directory_.file("empty"), O_RDONLY).last().at("message"),
                HasSubstr("not open for writing"));
    EXPECT_THAT(backupTo("/dev/null", O_WRONLY).last().at("message"),
                HasSubstr("neither a file nor a pipe"));
    EXPECT_EQ(fs::file_size(directory_.file("empty")), 0U);
}

TEST_F(EngineHeaderTest, WhatIsNoHeaderIsNotBackedUp) {
    damageBoth();
    EXPECT_EQ(backupTo(file_).code(), "HeaderCorrupt");
    EXPECT_EQ(fs::file_size(file_), 0U);
}

TEST_F(EngineHeaderTest, ARestoreBringsTheOldKeysBackAndSaysSo) {
    const std::string old = backup();
    change();
    ASSERT_EQ(engine("add-key", {}, "added").last().at("slot"), 30);
    const EngineResult done = restore(old);
    ASSERT_EQ(done.exitCode, 0) << done.last().dump();
    EXPECT_EQ(done.last().at("changed"), true);
    const std::string said = done.last().dump();
    EXPECT_THAT(said, HasSubstr("back as in the backup, though removed or changed since: slot 1"));
    EXPECT_THAT(said, HasSubstr("gone, since the backup does not have it: slot 30"));
    EXPECT_THAT(said, HasSubstr("`volumecryptctl sync u-data`"));
    EXPECT_THAT(said, HasSubstr("an old header brings removed keys back: slot 1"));
    EXPECT_TRUE(asCryptsetupWritesIt() == old);
    EXPECT_TRUE(opens(1, "secret"));
    EXPECT_TRUE(fs::is_empty(kept()));
    ASSERT_EQ(engine("sync").exitCode, 0);
    EXPECT_TRUE(opens(1, "changed"));
    EXPECT_FALSE(opens(1, "secret"));
}

TEST_F(EngineHeaderTest, WhatIsThereAlreadyIsNotWritten) {
    const std::string old = backup();
    const auto time = fs::last_write_time(image_);
    const EngineResult done = restore(old);
    ASSERT_EQ(done.exitCode, 0) << done.last().dump();
    EXPECT_EQ(done.last().at("changed"), false);
    EXPECT_EQ(fs::last_write_time(image_), time);
}

TEST_F(EngineHeaderTest, ABackupOfCryptsetupIsRestored) {
    const std::string old = asCryptsetupWritesIt();
    change();
    ASSERT_EQ(restore(old).exitCode, 0);
    EXPECT_TRUE(opens(1, "secret"));
}

TEST_F(EngineHeaderTest, AGivenPassphraseOpensTheBackup) {
    declare("- {slot: 1, static: {passphrase: secret}}");
    ASSERT_EQ(engine("sync").exitCode, 0);
    const std::string old = backup();
    declare("- {slot: 1, static: {passphrase: other}}");
    ASSERT_EQ(engine("sync", {}, "secret").exitCode, 0);
    expectRefused(old, "NoUsableKey", "the header backup: ");
    EXPECT_EQ(restore(old, {}, "wrong").code(), "KeyRejected");
    ASSERT_EQ(restore(old, {}, "secret").exitCode, 0);
    EXPECT_TRUE(opens(1, "secret"));
}

TEST_F(EngineHeaderTest, ADestroyedHeaderIsRestored) {
    const std::string old = backup();
    const std::string whole = imageBytes();
    damageBoth();
    EXPECT_EQ(engine("sync").code(), "HeaderCorrupt");
    ASSERT_EQ(restore(old).exitCode, 0);
    EXPECT_TRUE(imageBytes() == whole);
    // Overwritten from the beginning: no header at all, and only the pin knows the volume.
    put(0, std::string(kData, '\0'));
    const EngineResult done = restore(old);
    ASSERT_EQ(done.exitCode, 0) << done.last().dump();
    EXPECT_TRUE(imageBytes() == whole);
}

TEST_F(EngineHeaderTest, WhatNobodyRemembersIsConfirmed) {
    const std::string old = backup();
    const std::string whole = imageBytes();
    ASSERT_EQ(confirmed("forget").exitCode, 0);
    damageBoth();
    expectRefused(old, "HeaderCorrupt", "this machine remembers nothing");
    EXPECT_EQ(restore(old, {"--confirm", "u-other"}).exitCode, 64);
    ASSERT_EQ(restore(old, {"--confirm", "u-data"}).exitCode, 0);
    EXPECT_TRUE(imageBytes() == whole);
}

TEST_F(EngineHeaderTest, AnErasedVolumeIsOpenAgain) {
    const std::string old = backup();
    ASSERT_EQ(confirmed("erase").exitCode, 0);
    ASSERT_EQ(restore(old).exitCode, 0);
    EXPECT_TRUE(opens(1, "secret"));
}

TEST_F(EngineHeaderTest, AnotherVolumesHeaderIsRefused) {
    const std::string mine = imageBytes();
    const std::string uuid = cryptsetup({"luksUUID", image_}).out.substr(0, 36);
    luksFormat();
    const std::string anothers = asCryptsetupWritesIt();
    ASSERT_EQ(cryptsetup({"luksUUID", "--uuid", uuid, image_}).exitCode, 0);
    const std::string sameUuid = asCryptsetupWritesIt();
    std::ofstream(image_, std::ios::binary) << mine;
    expectRefused(anothers, "ForeignVolume", "UUID");
    expectRefused(sameUuid, "ForeignVolume", "its volume key is another one");
    // Without a pin it is the header on the device that tells.
    ASSERT_EQ(confirmed("forget").exitCode, 0);
    expectRefused(anothers, "ForeignVolume", "UUID");
    expectRefused(sameUuid, "ForeignVolume", "another volume key than the header on the device");
    // And without both nobody but who confirms it.
    damageBoth();
    expectRefused(sameUuid, "HeaderCorrupt", "this machine remembers nothing");
}

TEST_F(EngineHeaderTest, WhatIsNoBackupIsRefused) {
    const std::string old = backup();
    expectRefused("", "NotLuks2", "header backup");
    expectRefused("something else", "NotLuks2", "header backup");
    expectRefused(old.substr(0, old.size() - 1), "HeaderCorrupt", "ends after");
    expectRefused(old.substr(0, 300000), "HeaderCorrupt", "ends after");
    std::string damaged = old;
    damaged[4096 + 100] ^= 1;
    damaged[static_cast<std::size_t>(kSecondary) + 4096 + 100] ^= 1;
    expectRefused(damaged, "HeaderCorrupt", "damaged");
    expectRefused(std::string((std::size_t{136} << 20) + 1, 'x'), "InvalidConfig", "no header has");
}

TEST_F(EngineHeaderTest, SomethingElseOnTheDeviceIsNotWrittenOver) {
    const std::string old = backup();
    const Process mkfs{.argv = {"mkfs.ext4", "-q", "-F", image_}, .input = {}, .secret = {}};
    ASSERT_EQ(mkfs.run().exitCode, 0);
    expectRefused(old, "NotBlank", "ext4", {"--confirm", "u-data"});
    makeImage();
    ASSERT_EQ(confirmed("forget").exitCode, 0);
    expectRefused(old, "HeaderCorrupt", "has no header any more");
}

TEST_F(EngineHeaderTest, ADeviceThatIsTooSmallIsRefused) {
    const std::string old = backup();
    fs::resize_file(image_, static_cast<std::uintmax_t>(kData) - 4096);
    expectRefused(old, "HeaderCorrupt", "bytes");
}

TEST_F(EngineHeaderTest, AnInterruptedRestoreIsFinishedByTheNextSync) {
    const std::string old = backup();
    change();
    const std::string now = asCryptsetupWritesIt();
    std::ofstream(kept() + "/u-data.restore", std::ios::binary) << now;
    std::ofstream(kept() + "/u-data.restored", std::ios::binary) << old;
    // Half of it is written.
    put(kSecondary, old.substr(static_cast<std::size_t>(kSecondary)));
    const EngineResult synced = engine("sync");
    ASSERT_EQ(synced.exitCode, 0) << synced.last().dump();
    EXPECT_THAT(synced.last().dump(), HasSubstr("finished a restore"));
    EXPECT_TRUE(fs::is_empty(kept()));
    EXPECT_TRUE(opens(1, "changed"));
}

TEST_F(EngineHeaderTest, AHeaderThatWasChangedSinceIsLeftAlone) {
    const std::string old = backup();
    change();
    std::ofstream(kept() + "/u-data.restore", std::ios::binary) << asCryptsetupWritesIt();
    std::ofstream(kept() + "/u-data.restored", std::ios::binary) << old;
    ASSERT_EQ(cryptsetup({"luksKillSlot", image_, "0"}).exitCode, 0);
    const EngineResult synced = engine("sync");
    ASSERT_EQ(synced.exitCode, 0) << synced.last().dump();
    EXPECT_THAT(synced.last().dump(), HasSubstr("was changed since"));
    EXPECT_TRUE(opens(1, "changed"));
    EXPECT_TRUE(fs::exists(kept() + "/u-data.restore"));
    ASSERT_EQ(restore(old).exitCode, 0);
    EXPECT_TRUE(fs::is_empty(kept()));
}

}  // namespace
}  // namespace volumecrypt::test
