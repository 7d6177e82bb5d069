// SPDX-License-Identifier: Apache-2.0
// Errors that need more than a spoiled disk: two disks of one name, secrets that do not come, jobs
// that are cancelled, callers without rights.
#include <filesystem>

#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <fcntl.h>
#include <unistd.h>

#include "error_rows.h"
#include "support/fake_sysfs.h"
#include "support/process.h"

namespace volumecrypt::test {
namespace {

using ::testing::HasSubstr;

// The engine's view of the kernel is a tree of ours, mounted over /sys.
class OtherErrors : public Errors {};

const std::vector<std::string> kSync{"sync", "u-data"};

TEST_F(OtherErrors, TwoPartitionsWithOneLabel) {
    const FakeSysfs sysfs;
    for (const std::string disk : {"sda", "sdb"}) {
        const std::string number = disk == "sda" ? "8:" : "8:1";
        const auto path = sysfs.addDisk("pci0/" + disk, disk, number + "0");
        sysfs.addPartition(path, disk + "1", number + "1", 1, "u-data");
    }
    daemon_.beforeEngines(
        "[ -n \"$OURS\" ] || OURS=1 exec unshare --mount \"$0\" \"$@\"\nmount --bind " +
        sysfs.root() + " /sys");
    declarePlain("");
    start();
    EXPECT_EQ(client_.property<std::string>(data_, kVolume, "State"), "failed");
    const Answer answer = client_.call(data_, kVolume, "Unlock", Options());
    EXPECT_EQ(answer, "AmbiguousDevice");
    const std::string message =
        "volume u-data: 2 partitions have the GPT label \"u-data\": /dev/sda1, /dev/sdb1";
    EXPECT_TRUE(answer.message.starts_with(message + "\n")) << answer.message;
    checkCommand({.name = "",
                  .prepare = {},
                  .call = {},
                  .command = {"unlock", "u-data"},
                  .code = "AmbiguousDevice",
                  .message = "",
                  .hint = answer.message.substr(message.size() + 1)},
                 message);
}

// A caller who sends no secret holds the volume, but nobody else, and for ten seconds at most.
TEST_F(OtherErrors, WhoWaitsForASecretIsBusy) {
    declare();
    luksFormat();
    start();
    int ends[2] = {-1, -1};
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    Answer added;
    Client other;
    auto proxy = bus::makeProxy(other.bus(), kName, data_);
    bool answered = false;
    proxy->callMethodAsync("AddKey")
        .onInterface(kVolume)
        .withArguments("passphrase", sdbus::UnixFd(ends[0], sdbus::adopt_fd), Options())
        .uponReplyInvoke([&](bus::CallError error, std::uint32_t) {
            answered = true;
            if (error) added = answerOf(*error);
        });
    ASSERT_TRUE(client_.waitFor([&] { return !client_.added().empty(); }));
    const Answer busy = job("Sync");
    EXPECT_EQ(busy, "Busy");
    EXPECT_EQ(busy.message, "volume u-data is busy with add-key\nWait until that has finished.");
    checkCommand({.name = "",
                  .prepare = {},
                  .call = {},
                  .command = kSync,
                  .code = "Busy",
                  .message = "",
                  .hint = "Wait until that has finished.",
                  .retry = true},
                 "volume u-data is busy with add-key");
    EXPECT_EQ(client_.property<std::string>(data_, kVolume, "State"), "locked");
    ::close(ends[1]);
    ASSERT_TRUE(other.waitFor([&] { return answered; }));
    EXPECT_EQ(added, "InvalidConfig");
    EXPECT_EQ(added.message, "volume u-data: the secret is empty");
    EXPECT_EQ(job("Sync"), "");
}

TEST_F(OtherErrors, ASecretIsAFileOrPipeOfFewBytes) {
    declare();
    luksFormat();
    start();
    const std::string before = bytesOfFile(image_);
    const auto add = [&](const std::string &path) {
        return client_.call(
            data_, kVolume, "AddKey", "passphrase",
            sdbus::UnixFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC), sdbus::adopt_fd), Options());
    };
    const Answer directory = add("/");
    EXPECT_EQ(directory, "InvalidConfig");
    EXPECT_EQ(directory.message,
              "volume u-data: the secret's file descriptor is not a pipe, memfd or regular file\n"
              "Pass a pipe or a memfd that holds the secret.");
    const Answer large =
        add(daemon_.folder().write("large", std::string(std::size_t{1} << 20, 'x')));
    EXPECT_EQ(large, "InvalidConfig");
    EXPECT_EQ(large.message, "volume u-data: the secret is longer than 8192 bytes");
    EXPECT_TRUE(bytesOfFile(image_) == before);
}

// All declared keys were replaced: the passphrase that still opens the volume brings them in.
TEST_F(OtherErrors, SyncTakesAPassphraseThatOpensTheVolume) {
    declare();
    luksFormat();
    start();
    sync();
    declare({"1: another"});
    reload();
    EXPECT_EQ(job("Sync"), "NoUsableKey");
    const auto sync = [](const std::string &passphrase) {
        return Process{.argv = {CTL_PROGRAM, "sync", "u-data", "--secret-file", "-"},
                       .input = passphrase,
                       .secret = {}}
            .run();
    };
    const std::string before = bytesOfFile(image_);
    const ProcessResult wrong = sync("nonsense");
    EXPECT_EQ(wrong.exitCode, 1);
    EXPECT_THAT(wrong.err, HasSubstr("the given secret opens none of its key slots"));
    EXPECT_TRUE(bytesOfFile(image_) == before);
    const ProcessResult right = sync("secret");
    EXPECT_EQ(right.exitCode, 0) << right.err;
    EXPECT_EQ(job("Sync"), "");
}

TEST_F(OtherErrors, ACancelledJobEndsAtASafePoint) {
    declare({"1: secret", "2: more"});
    luksFormat();
    start();
    struct stat info {};
    ASSERT_EQ(::stat(image_.c_str(), &info), 0);
    const std::string lock = daemon_.folder().write(
        "root/run/volumecrypt/lock/file-" + std::to_string(major(info.st_dev)) + ":" +
            std::to_string(minor(info.st_dev)) + "-" + std::to_string(info.st_ino) + ".lock",
        "");
    const int fd = ::open(lock.c_str(), O_RDWR | O_CLOEXEC);
    ASSERT_EQ(::flock(fd, LOCK_EX), 0);
    const std::string before = bytesOfFile(image_);
    sdbus::ObjectPath path;
    ASSERT_EQ(client_.get(path, data_, kVolume, "Sync", Options()), "");
    // It has its signal handlers once it has its name.
    ASSERT_TRUE(eventually([&] {
        return (Process{
                    .argv = {"pgrep", "-f",
                             "volumecrypt-engine --test-kdf sync u-data --root " + daemon_.root()},
                    .input = {},
                    .secret = {}}
                    .run())
                   .exitCode == 0;
    }));
    ::usleep(200'000);
    ASSERT_EQ(client_.call(path, kJob, "Cancel", Options()), "");
    ::usleep(200'000);
    ::close(fd);
    const Finished end = client_.finished(path);
    EXPECT_EQ(end.error, "org.example.VolumeCrypt.Error.Cancelled");
    EXPECT_EQ(readable(end.message),
              "volume u-data (IMAGE): stopped by a signal at a safe point\n"
              "Run the same command again: it goes on where this one stopped.");
    EXPECT_TRUE(bytesOfFile(image_) == before);
}

TEST_F(OtherErrors, WhoMayNotIsToldSo) {
    declare();
    luksFormat();
    start();
    const std::string before = bytesOfFile(image_);
    const ProcessResult text = Process{
        .argv = {"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", CTL_PROGRAM,
                 "erase", "u-data", "--confirm=u-data"},
        .input = {},
        .secret = {}}.run();
    EXPECT_EQ(text.exitCode, 1);
    EXPECT_EQ(text.err,
              "volumecryptctl: u-data: not authorised for org.example.VolumeCrypt.erase: polkit is "
              "not there to ask\nhint: Run it as root, or start polkit (polkit.service).\n");
    EXPECT_TRUE(bytesOfFile(image_) == before);
}

}  // namespace
}  // namespace volumecrypt::test
