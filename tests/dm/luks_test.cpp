// SPDX-License-Identifier: Apache-2.0
// src/luks on block devices and with real dm-crypt. Runs as root in the guest only.
#include <chrono>
#include <filesystem>

#include <sys/stat.h>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "luks/header_build.h"
#include "luks/header_copy.h"
#include "luks/header_store.h"
#include "luks/header_write.h"
#include "luks/mapping.h"
#include "support/header_editor.h"
#include "support/loop_device.h"
#include "support/luks_image.h"
#include "support/result_matchers.h"

namespace volumecrypt::test {
namespace {

using base::ErrorCode;
using luks::KdfCost;
using model::PerformanceOption;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
constexpr std::uint64_t kDataOffset = 16 * kMiB;

const std::string kName = "luks2-u-test";
const std::string kPath = "/dev/mapper/" + kName;

base::UniqueFd openOrThrow(const std::string &path, int flags) {
    auto fd = base::openFile(path, flags);
    if (!fd) throw std::runtime_error(fd.error().message);
    return std::move(*fd);
}

// A formatted volume on a loop device, with the key "key" in slot 0; no mapping is left behind.
class VolumeOnDisk {
  public:
    explicit VolumeOnDisk(luks::FormatParameters parameters = {}, std::uint64_t mebibytes = 24)
        : loop_(mebibytes) {
        parameters.deviceSize = mebibytes * kMiB;
        auto header = luks::buildHeader(parameters);
        if (!header) throw std::runtime_error(header.error().message);
        const auto id = *model::VolumeId::parse("u-test");
        const base::UniqueFd device = openOrThrow(loop_.node(), O_RDWR);
        if (!header->store->addSlot(0, header->volumeKey, secret("key"), KdfCost::Minimal) ||
            !luks::writeHeader(device.get(), id, *header))
            throw std::runtime_error("no volume");
        volumeKey_ = std::move(header->volumeKey);
    }
    ~VolumeOnDisk() { (void)luks::deactivate(kName, false); }
    VolumeOnDisk(const VolumeOnDisk &) = delete;
    VolumeOnDisk &operator=(const VolumeOnDisk &) = delete;
    VolumeOnDisk(VolumeOnDisk &&) = delete;
    VolumeOnDisk &operator=(VolumeOnDisk &&) = delete;

    [[nodiscard]] const std::string &node() const { return loop_.node(); }
    [[nodiscard]] const std::string &file() const { return loop_.file(); }
    [[nodiscard]] const base::SecretBuffer &key() const { return volumeKey_; }
    [[nodiscard]] luks::HeaderCopy copy() const {
        auto made = luks::copyHeader(node());
        if (!made) throw std::runtime_error(made.error().message);
        return std::move(*made);
    }
    base::Status map(const luks::ActivationOptions &options = {},
                     const std::string &name = kName) const {
        return luks::activate(copy(), node(), name, volumeKey_, options);
    }

  private:
    Loop loop_;
    base::SecretBuffer volumeKey_;
};

std::string table() {
    return shell("dmsetup table " + kName);
}

std::uint64_t sizeOf(const std::string &node) {
    return std::stoull(shell("blockdev --getsize64 " + node));
}

std::string readBlock(const std::string &path, std::uint64_t offset) {
    const base::UniqueFd fd = openOrThrow(path, O_RDONLY);
    std::string block(4096, '\0');
    if (::pread(fd.get(), block.data(), block.size(), static_cast<off_t>(offset)) != 4096)
        throw std::runtime_error("read " + path);
    return block;
}

void writeBlock(const std::string &path, const std::string &block) {
    const base::UniqueFd fd = openOrThrow(path, O_WRONLY);
    if (::pwrite(fd.get(), block.data(), block.size(), 0) != 4096 || ::fsync(fd.get()) != 0)
        throw std::runtime_error("write " + path);
}

TEST(Mapping, IsMadeFoundAndRemoved) {
    const VolumeOnDisk volume;
    ASSERT_THAT(volume.map(), IsOk());
    const auto mapping = luks::findMapping(kName);
    ASSERT_THAT(mapping, IsOk());
    ASSERT_TRUE(mapping->has_value());
    struct stat device {};
    ASSERT_EQ(::stat(volume.node().c_str(), &device), 0);
    EXPECT_EQ((*mapping)->backingDevice, device.st_rdev);
    EXPECT_EQ((*mapping)->uuid, volume.copy().view.uuid);
    EXPECT_TRUE((*mapping)->isCrypt);
    EXPECT_FALSE((*mapping)->inUse);
    EXPECT_EQ(sizeOf(kPath), 8 * kMiB);

    ASSERT_THAT(luks::deactivate(kName, false), IsOk());
    EXPECT_EQ(luks::findMapping(kName)->has_value(), false);
    EXPECT_FALSE(std::filesystem::exists(kPath));
    EXPECT_THAT(luks::deactivate(kName, false), IsOk());
}

TEST(Mapping, HoldsTheDataThatCryptsetupFinds) {
    for (const unsigned sectorSize : {512U, 4096U}) {
        const VolumeOnDisk volume({.sectorSize = sectorSize});
        ASSERT_THAT(volume.map(), IsOk());
        const std::string block(4096, 'd');
        writeBlock(kPath, block);
        ASSERT_THAT(luks::deactivate(kName, false), IsOk());
        EXPECT_NE(readBlock(volume.node(), kDataOffset), block);
        shell("printf key | cryptsetup open --key-file - " + volume.node() + " other");
        EXPECT_EQ(readBlock("/dev/mapper/other", 0), block);
        shell("cryptsetup close other");
    }
}

// What was validated is what is mapped, whatever has become of the disk's header since.
TEST(Mapping, ComesFromTheCopyAlone) {
    const VolumeOnDisk volume;
    const luks::HeaderCopy copy = volume.copy();
    shell("dd if=/dev/zero bs=1M count=16 conv=notrunc oflag=direct of=" + volume.node());
    ASSERT_THAT(luks::activate(copy, volume.node(), kName, volume.key(), {}), IsOk());
    EXPECT_THAT(table(), HasSubstr("aes-xts-plain64"));
}

TEST(Mapping, TakesOnlyTheOptionsThatAreDeclared) {
    const VolumeOnDisk volume;
    HeaderEditor(volume.file()).change([](nlohmann::json &json) {
        json["config"]["flags"] = {"allow-discards", "no-read-workqueue"};
    });
    shell("blockdev --flushbufs " + volume.node());
    ASSERT_THAT(volume.map(), IsOk());
    EXPECT_EQ(volume.copy().view.flags.size(), 2U);
    EXPECT_THAT(table(), Not(HasSubstr("allow_discards")));
    EXPECT_THAT(table(), Not(HasSubstr("no_read_workqueue")));
    ASSERT_THAT(luks::deactivate(kName, false), IsOk());

    ASSERT_THAT(volume.map({.allowDiscards = true,
                            .performance = {PerformanceOption::NoWriteWorkqueue,
                                            PerformanceOption::SameCpuCrypt}}),
                IsOk());
    EXPECT_THAT(table(), HasSubstr("allow_discards"));
    EXPECT_THAT(table(), HasSubstr("no_write_workqueue"));
    EXPECT_THAT(table(), HasSubstr("same_cpu_crypt"));
    EXPECT_THAT(table(), Not(HasSubstr("no_read_workqueue")));
}

TEST(Mapping, IsBusyWhenTheNameIsTaken) {
    const VolumeOnDisk first;
    ASSERT_THAT(first.map(), IsOk());
    const VolumeOnDisk second;
    EXPECT_THAT(second.map(), FailsWith(ErrorCode::Busy, HasSubstr("there is a mapping")));
    EXPECT_EQ((*luks::findMapping(kName))->uuid, first.copy().view.uuid);
}

TEST(Mapping, IsBusyWhenTheDeviceIsHeld) {
    const VolumeOnDisk volume;
    ASSERT_THAT(volume.map(), IsOk());
    EXPECT_THAT(volume.map({}, "luks2-u-other"),
                FailsWith(ErrorCode::Busy, HasSubstr(volume.node() + " is in use")));
    EXPECT_EQ(luks::findMapping("luks2-u-other")->has_value(), false);
}

TEST(Mapping, RejectsAnotherVolumeKey) {
    const VolumeOnDisk volume;
    const auto wrong = base::SecretBuffer::copyOf(std::string(64, 'w'));
    EXPECT_THAT(luks::activate(volume.copy(), volume.node(), kName, wrong, {}),
                FailsWith(ErrorCode::KeyRejected));
    EXPECT_EQ(luks::findMapping(kName)->has_value(), false);
}

TEST(Mapping, InUseIsBusyAtOnce) {
    const VolumeOnDisk volume;
    ASSERT_THAT(volume.map(), IsOk());
    const base::UniqueFd user = openOrThrow(kPath, O_RDONLY);
    EXPECT_TRUE((*luks::findMapping(kName))->inUse);
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_THAT(luks::deactivate(kName, false), FailsWith(ErrorCode::Busy, HasSubstr("in use")));
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(1));
    EXPECT_TRUE(luks::findMapping(kName)->has_value());
}

TEST(Mapping, DeferredGoesWithItsLastUser) {
    const VolumeOnDisk volume;
    ASSERT_THAT(volume.map(), IsOk());
    base::UniqueFd user = openOrThrow(kPath, O_RDONLY);
    ASSERT_THAT(luks::deactivate(kName, true), IsOk());
    EXPECT_TRUE(luks::findMapping(kName)->has_value());
    user.reset();
    for (int i = 0; i < 100 && luks::findMapping(kName)->has_value(); ++i) ::usleep(50000);
    EXPECT_EQ(luks::findMapping(kName)->has_value(), false);
}

TEST(Mapping, GrowsWithItsDevice) {
    const VolumeOnDisk volume;
    ASSERT_THAT(volume.map(), IsOk());
    const std::string block(4096, 'g');
    writeBlock(kPath, block);
    shell("truncate -s 40M " + volume.file() + " && losetup --set-capacity " + volume.node());
    const auto wrong = base::SecretBuffer::copyOf(std::string(64, 'w'));
    EXPECT_THAT(luks::resize(kName, volume.copy(), volume.node(), wrong),
                FailsWith(ErrorCode::KeyRejected));
    EXPECT_EQ(sizeOf(kPath), 8 * kMiB);
    ASSERT_THAT(luks::resize(kName, volume.copy(), volume.node(), volume.key()), IsOk());
    EXPECT_EQ(sizeOf(kPath), 24 * kMiB);
    EXPECT_EQ(readBlock(kPath, 0), block);
    ASSERT_THAT(luks::resize(kName, volume.copy(), volume.node(), volume.key()), IsOk());
}

// In another process than the one that mapped it: the kernel's keyring no longer has the key.
TEST(Mapping, OfCryptsetupGrowsToo) {
    const VolumeOnDisk volume;
    shell("printf key | cryptsetup open --key-file - " + volume.node() + " " + kName);
    shell("truncate -s 40M " + volume.file() + " && losetup --set-capacity " + volume.node());
    ASSERT_THAT(luks::resize(kName, volume.copy(), volume.node(), volume.key()), IsOk());
    EXPECT_EQ(sizeOf(kPath), 24 * kMiB);
}

TEST(Mapping, OfSomethingElseIsToldApart) {
    const Loop loop(8);
    shell("dmsetup create " + kName + " --table '0 2048 linear " + loop.node() + " 0'");
    const auto mapping = luks::findMapping(kName);
    ASSERT_THAT(mapping, IsOk());
    ASSERT_TRUE(mapping->has_value());
    EXPECT_FALSE((*mapping)->isCrypt);
    EXPECT_EQ((*mapping)->uuid, "");
    ASSERT_THAT(luks::deactivate(kName, false), IsOk());
    // What a killed activation leaves: a device without a table.
    shell("dmsetup create " + kName + " --notable");
    EXPECT_FALSE((*luks::findMapping(kName))->isCrypt);
    ASSERT_THAT(luks::deactivate(kName, false), IsOk());
}

TEST(Mapping, CanBeOfAdiantum) {
    shell("modprobe -d /run -a libchacha chacha_generic nhpoly1305 adiantum");
    for (const std::string cipher :
         {"xchacha12,aes-adiantum-plain64", "xchacha20,aes-adiantum-plain64"}) {
        const VolumeOnDisk volume({.cipher = cipher, .keyBits = 256, .sectorSize = 4096});
        EXPECT_EQ(volume.copy().view.segments.at(0).cipher, cipher);
        EXPECT_EQ(volume.copy().view.slots.at(0).areaCipher, "aes-xts-plain64");
        ASSERT_THAT(volume.map(), IsOk());
        EXPECT_THAT(table(), HasSubstr(cipher));
        ASSERT_THAT(luks::deactivate(kName, false), IsOk());
        shell("printf key | cryptsetup open --key-file - " + volume.node() + " " + kName);
        ASSERT_THAT(luks::deactivate(kName, false), IsOk());
    }
}

TEST(HeaderOnDevice, IsChangedWhileItIsMapped) {
    const VolumeOnDisk volume;
    ASSERT_THAT(volume.map(), IsOk());
    const auto store = luks::openHeaderStore(volume.node());
    ASSERT_THAT(store->addSlot(1, volume.key(), secret("one"), KdfCost::Minimal), IsOk());
    ASSERT_THAT(store->setToken(31, R"({"type":"volumecrypt","keyslots":[]})"), IsOk());
    ASSERT_THAT(store->destroySlot(0), IsOk());
    EXPECT_TRUE(*store->openSlot(1, secret("one")) == volume.key());
    EXPECT_THAT(store->openSlot(0, secret("key")), FailsWith(ErrorCode::NotFound));
    EXPECT_EQ(store->view()->tokens.at(31).type, "volumecrypt");
    shell("printf one | cryptsetup open --test-passphrase --key-slot 1 --key-file - " +
          volume.node());
}

TEST(HeaderOnDevice, IsRepaired) {
    for (const HeaderCopyOf which : {HeaderCopyOf::Primary, HeaderCopyOf::Secondary}) {
        const VolumeOnDisk volume;
        HeaderEditor(volume.file()).damage(which);
        shell("blockdev --flushbufs " + volume.node());
        ASSERT_TRUE(volume.copy().needsRepair);
        ASSERT_THAT(luks::repairHeader(volume.node()), IsOk());
        EXPECT_FALSE(volume.copy().needsRepair);
        shell("printf key | cryptsetup open --test-passphrase --key-file - " + volume.node());
    }
}

// libcryptsetup keeps locks for block devices there, and makes it when it can.
TEST(HeaderOnDevice, NeedsNoLockDirectory) {
    const VolumeOnDisk volume;
    shell("rm -rf /run/cryptsetup");
    const auto store = luks::openHeaderStore(volume.node());
    EXPECT_THAT(store->openSlot(0, secret("key")), IsOk());
    EXPECT_THAT(store->addSlot(1, volume.key(), secret("one"), KdfCost::Minimal), IsOk());
    ASSERT_THAT(volume.map(), IsOk());
    shell("mkdir -p /run/cryptsetup");
}

}  // namespace
}  // namespace volumecrypt::test
