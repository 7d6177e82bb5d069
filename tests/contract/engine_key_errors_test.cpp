// SPDX-License-Identifier: Apache-2.0
// Keys that do not open, slots that are taken, secrets that cannot be had, and volumes that
// somebody else holds or that go away.
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include <fcntl.h>
#include <unistd.h>

#include "support/error_matrix.h"
#include "support/header_editor.h"

namespace volumecrypt::test {
namespace {

using ::testing::HasSubstr;

constexpr const char *kKey = "- {slot: 1, static: {passphrase: secret}}";
constexpr const char *kWrongKey = "- {slot: 1, static: {passphrase: wrong}}";

class EngineKeyErrors : public ErrorMatrix, public testing::WithParamInterface<ErrorCase> {};

TEST_P(EngineKeyErrors, AreTold) {
    check(GetParam());
}

std::function<void(ErrorMatrix &)> volume(const std::string &keys) {
    return [=](ErrorMatrix &t) {
        t.luksFormat("secret", 1);
        t.declare(keys);
    };
}

// A volume of ours, with the key "mine" added in slot 31 or below; then other keys are declared.
std::function<void(ErrorMatrix &)> withAddedKey(const std::string &later) {
    return [=](ErrorMatrix &t) {
        t.formatted(kKey);
        const EngineResult added = t.engine("add-key", {}, "mine");
        ASSERT_EQ(added.exitCode, 0) << added.last().dump();
        ASSERT_EQ(added.last().at("slot"), 30);
        t.declare(later);
    };
}

std::string allSlots() {
    std::string keys;
    for (int slot = 0; slot < 32; ++slot)
        keys += "- {slot: " + std::to_string(slot) + ", static: {passphrase: key" +
                std::to_string(slot) + "}}\n";
    return keys;
}

// Small metadata areas, which a token of somebody else fills.
void fullMetadata(ErrorMatrix &t) {
    t.luksFormat("secret", 1, {"--luks2-metadata-size", "16k"});
    const HeaderEditor editor(t.image_);
    editor.change([](nlohmann::json &json) {
        json["tokens"]["0"] = {
            {"type", "somebody"}, {"keyslots", nlohmann::json::array()}, {"fill", ""}};
        constexpr std::size_t kJsonArea = 12288;
        const std::size_t used = json.dump().size();
        json["tokens"]["0"]["fill"] = std::string(kJsonArea - used - 16, 'x');
    });
    t.declare(std::string(kKey) + "\n- {slot: 2, static: {passphrase: more}}");
}

const std::vector<ErrorCase> kKeyCases{
    {.name = "WrongKey",
     .prepare = volume(kWrongKey),
     .verb = "sync",
     .code = "NoUsableKey",
     .message = "volume u-data (IMAGE): no declared key opens it: slot 1: the "
                "declared static key does not open it",
     .hint = "Give a passphrase that opens it: `volumecryptctl unlock u-data "
             "--passphrase` asks for one and brings the declared keys in."},
    {.name = "NoKeyInTheDeclaredSlot",
     .prepare = volume("- {slot: 5, static: {passphrase: wrong}}"),
     .verb = "plan",
     .code = "NoUsableKey",
     .message = "volume u-data (IMAGE): no declared key opens it: slot 5: empty",
     .hint = "Give a passphrase that opens it: `volumecryptctl unlock u-data "
             "--passphrase` asks for one and brings the declared keys in."},
    {.name = "WrongPassphraseGiven",
     .prepare = volume(kWrongKey),
     .verb = "sync",
     .code = "KeyRejected",
     .message = "volume u-data (IMAGE): the given secret opens none of its key "
                "slots",
     .hint = "Check the passphrase; `volumecryptctl keys u-data` shows the key "
             "slots.",
     .secret = "also wrong"},
    {.name = "TheLastKeyStays",
     .prepare = withAddedKey(kWrongKey),
     .verb = "remove-key",
     .code = "LastKey",
     .message = "volume u-data (IMAGE), slot 30: no other key could be proven to "
                "open the volume, so this one stays",
     .hint = "Declare a second key for the volume, or give one that opens it.",
     .arguments = {"--slot", "30"},
     .secret = "mine",
     .slot = 30},
    {.name = "TheSlotIsSomebodysElse",
     .prepare =
         [](ErrorMatrix &t) {
             t.formatted(kKey);
             t.luksAddKey("secret", "theirs", 7);
             t.declare(std::string(kKey) + "\n- {slot: 7, static: {passphrase: ours}}");
         },
     .verb = "sync",
     .code = "SlotInUse",
     .message = "volume u-data (IMAGE), slot 7: the slot holds a key that is not "
                "ours, and the declared key does not open it",
     .hint = "Declare the key in another slot, or declare this one as "
             "`unmanaged: {}`.",
     .slot = 7},
    {.name = "AKeyOfSomebodyElseIsNotRemoved",
     .prepare =
         [](ErrorMatrix &t) {
             t.formatted(kKey);
             t.luksAddKey("secret", "theirs", 7);
         },
     .verb = "remove-key",
     .code = "SlotInUse",
     .message = "volume u-data (IMAGE), slot 7: this key was not added by "
                "volumecrypt",
     .hint = "Whoever added it can remove it: `cryptsetup luksKillSlot IMAGE 7`.",
     .arguments = {"--slot", "7"},
     .slot = 7},
    {.name = "ADeclaredKeyIsNotRemoved",
     .prepare = [](ErrorMatrix &t) { t.formatted(kKey); },
     .verb = "remove-key",
     .code = "InvalidConfig",
     .message = "volume u-data (IMAGE), slot 1: this key is declared in the "
                "configuration",
     .hint = "Remove it from the YAML, then run `volumecryptctl apply`.",
     .arguments = {"--slot", "1"},
     .slot = 1},
    {.name = "NoKeyThere",
     .prepare = [](ErrorMatrix &t) { t.formatted(kKey); },
     .verb = "remove-key",
     .code = "NotFound",
     .message = "volume u-data (IMAGE), slot 9: there is no key in it",
     .hint = "`volumecryptctl keys u-data` shows the key slots.",
     .arguments = {"--slot", "9"},
     .slot = 9},
    {.name = "EverySlotIsDeclared",
     .prepare = [](ErrorMatrix &t) { t.formatted(allSlots()); },
     .verb = "add-key",
     .code = "NoSpace",
     .message = "volume u-data (IMAGE): every key slot is in use or declared",
     .hint = "Remove a key that is not needed any more.",
     .secret = "one more"},
    {.name = "FullMetadata",
     .prepare = fullMetadata,
     .verb = "sync",
     .code = "NoSpace",
     .message = HasSubstr("slot 2: the header has no room for its metadata: it takes up to "),
     .hint = "Make room: `cryptsetup luksDump IMAGE` shows tokens and key slots, `cryptsetup token "
             "remove --token-id N IMAGE` and `cryptsetup luksKillSlot IMAGE N` remove what nobody "
             "needs. No key was changed.",
     .slot = 2},
    {.name = "TooSmallForAHeader",
     .prepare =
         [](ErrorMatrix &t) {
             t.makeImage(std::uint64_t{8} << 20);
             t.declare(kKey);
         },
     .verb = "format",
     .code = "NoSpace",
     .message = "volume u-data (IMAGE) is too small: it has 8 MiB, and the LUKS2 header takes "
                "16 MiB, ext4 takes at least 229376 bytes",
     .hint = "Nothing was written. Make it at least 17006592 bytes large, or declare another "
             "`filesystem.type`."},
    {.name = "SecretOfOneMebibyte",
     .prepare = volume(kWrongKey),
     .verb = "sync",
     .code = "InvalidConfig",
     .message = "volume u-data: the secret is longer than 8192 bytes",
     .hint = "",
     .secret = std::string(std::size_t{1} << 20, 'x')},
    {.name = "EmptySecret",
     .prepare = volume(kWrongKey),
     .verb = "sync",
     .code = "InvalidConfig",
     .message = "volume u-data: the secret is empty",
     .hint = "",
     .secret = ""},
    {.name = "SecretThatIsADirectory",
     .prepare = volume(kWrongKey),
     .verb = "sync",
     .code = "InvalidConfig",
     .message = "volume u-data: the secret's file descriptor is not a pipe, memfd "
                "or regular file",
     .hint = "Pass a pipe or a memfd that holds the secret.",
     .arguments = {"--secret-fd", "4"},
     .wrapper = {"sh", "-c", "exec \"$@\" 4</", "sh"}},
    {.name = "SecretThatIsADevice",
     .prepare = volume(kWrongKey),
     .verb = "sync",
     .code = "InvalidConfig",
     .message = "volume u-data: the secret's file descriptor is not a pipe, memfd "
                "or regular file",
     .hint = "Pass a pipe or a memfd that holds the secret.",
     .arguments = {"--secret-fd", "4"},
     .wrapper = {"sh", "-c", "exec \"$@\" 4</dev/zero", "sh"}},
    {.name = "SecretThatIsNotOpen",
     .prepare = volume(kWrongKey),
     .verb = "sync",
     .code = "Io",
     .message = "volume u-data: read the secret: Bad file descriptor",
     .hint = "",
     .arguments = {"--secret-fd", "9"}},
};

INSTANTIATE_TEST_SUITE_P(Table, EngineKeyErrors, testing::ValuesIn(kKeyCases), nameOfCase);

// An engine that runs beside the test, with the read end of a pipe as its secret.
class EngineInTheMiddle : public ErrorMatrix {
  protected:
    void SetUp() override {
        makeImage(std::uint64_t{20} << 20);
        luksFormat("secret", 1);
        declare(kKey);
        before_ = imageBytes();
    }
    void start(const std::string &verb) {
        ASSERT_EQ(::pipe2(pipe_, O_CLOEXEC), 0);
        begun_ = std::chrono::steady_clock::now();
        pid_ = ::fork();
        if (pid_ != 0) return;
        ::fcntl(pipe_[0], F_SETFD, 0);
        const std::string number = std::to_string(pipe_[0]);
        ::dup2(::open((directory_.path() + "/out").c_str(), O_WRONLY | O_CREAT, 0600), 1);
        ::dup2(::open((directory_.path() + "/err").c_str(), O_WRONLY | O_CREAT, 0600), 2);
        ::execl(VOLUMECRYPT_ENGINE, VOLUMECRYPT_ENGINE, verb.c_str(), "u-data", "--root",
                root_.c_str(), "--config-dir", configDir_.c_str(), "--test-kdf", "--output", "json",
                "--secret-fd", number.c_str(), nullptr);
        ::_exit(127);
    }
    void send(const std::string &secret) {
        ASSERT_EQ(::write(pipe_[1], secret.data(), secret.size()),
                  static_cast<ssize_t>(secret.size()));
        ::close(pipe_[1]);
    }
    // As an operation of somebody else, process 4711, would; closing the descriptor ends it.
    int takeLock() {
        struct stat info {};
        EXPECT_EQ(::stat(image_.c_str(), &info), 0);
        const std::string lock = directory_.write(
            "root/run/volumecrypt/lock/file-" + std::to_string(major(info.st_dev)) + ":" +
                std::to_string(minor(info.st_dev)) + "-" + std::to_string(info.st_ino) + ".lock",
            "4711\n");
        const int fd = ::open(lock.c_str(), O_RDWR | O_CLOEXEC);
        EXPECT_EQ(::flock(fd, LOCK_EX), 0);
        return fd;
    }
    // Until it waits for the secret or the lock: it sleeps, and keeps sleeping.
    void waitUntilAsleep() const {
        const std::string process = "/proc/" + std::to_string(pid_);
        for (int asleep = 0; asleep < 5;) {
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
            std::error_code code;
            const auto program = std::filesystem::read_symlink(process + "/exe", code);
            std::ifstream file(process + "/stat");
            std::string text;
            std::getline(file, text);
            const bool sleeps = text.find(") S ") != std::string::npos;
            asleep = sleeps && program == VOLUMECRYPT_ENGINE ? asleep + 1 : 0;
            ASSERT_FALSE(text.empty() || text.find(") Z ") != std::string::npos) << "it has ended";
        }
    }
    nlohmann::json end() {
        int status = 0;
        ::waitpid(pid_, &status, 0);
        took_ = std::chrono::steady_clock::now() - begun_;
        exitStatus_ = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        for (const int fd : pipe_) ::close(fd);
        std::ifstream file(directory_.path() + "/out");
        std::string line;
        nlohmann::json last;
        while (std::getline(file, line)) last = nlohmann::json::parse(line);
        return last;
    }

    std::string before_;
    int pipe_[2] = {-1, -1};
    pid_t pid_ = -1;
    int exitStatus_ = -1;
    std::chrono::steady_clock::time_point begun_;
    std::chrono::steady_clock::duration took_{};
};

// The secret is awaited before the lock is taken: meanwhile others may work on the volume.
TEST_F(EngineInTheMiddle, ASecretThatNeverComesIsAwaitedForTenSeconds) {
    start("sync");
    EXPECT_EQ(engine("plan").exitCode, 2);
    EXPECT_EQ(engine("add-key", {}, "mine").exitCode, 0);
    const std::string changed = imageBytes();
    const auto error = end();
    EXPECT_EQ(exitStatus_, 1);
    EXPECT_EQ(error.at("code"), "InvalidConfig");
    EXPECT_EQ(error.at("message"), "volume u-data: no secret arrived within the time allowed");
    EXPECT_EQ(error.at("hint"), "Write the secret and close the pipe's other end.");
    EXPECT_GE(took_, std::chrono::seconds(9));
    EXPECT_LE(took_, std::chrono::seconds(20));
    EXPECT_TRUE(imageBytes() == changed);
}

TEST_F(EngineInTheMiddle, ADeviceThatVanishesIsNotFound) {
    start("sync");
    std::filesystem::remove(image_);
    send("secret");
    const auto error = end();
    EXPECT_EQ(exitStatus_, 1);
    EXPECT_EQ(error.at("code"), "NotFound");
    EXPECT_EQ(error.at("message"), "volume u-data: " + image_ + " does not exist");
    EXPECT_FALSE(std::filesystem::exists(image_)) << "the engine made a file";
}

// It was found, and waits for the lock while another one comes under its name.
TEST_F(EngineInTheMiddle, AnotherDeviceUnderTheSameNameIsNotTouched) {
    struct stat info {};
    ASSERT_EQ(::stat(image_.c_str(), &info), 0);
    const std::string lock = directory_.write(
        "root/run/volumecrypt/lock/file-" + std::to_string(major(info.st_dev)) + ":" +
            std::to_string(minor(info.st_dev)) + "-" + std::to_string(info.st_ino) + ".lock",
        "1\n");
    const int fd = ::open(lock.c_str(), O_RDWR | O_CLOEXEC);
    ASSERT_EQ(::flock(fd, LOCK_EX), 0);
    start("sync");
    send("secret");
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    std::filesystem::rename(image_, image_ + ".old");
    makeImage();
    luksFormat("secret", 1);
    const std::string other = imageBytes();
    ::close(fd);
    const auto error = end();
    EXPECT_EQ(error.at("code"), "NotFound");
    EXPECT_THAT(error.at("message").get<std::string>(), HasSubstr("is no longer the device"));
    EXPECT_TRUE(imageBytes() == other);
}

TEST_F(EngineInTheMiddle, AStopWhileItWaitsForTheSecretEndsTheWaiting) {
    start("sync");
    ASSERT_NO_FATAL_FAILURE(waitUntilAsleep());
    ASSERT_EQ(::kill(pid_, SIGTERM), 0);
    const auto error = end();
    EXPECT_EQ(error.at("code"), "Cancelled");
    EXPECT_EQ(error.at("message"), "volume u-data: stopped by a signal at a safe point");
    EXPECT_EQ(exitStatus_, 75);
    EXPECT_LT(took_, std::chrono::seconds(5));
    EXPECT_TRUE(imageBytes() == before_);
}

TEST_F(EngineInTheMiddle, SomebodyElseAtWorkIsBusyAfterFiveSeconds) {
    const int fd = takeLock();
    start("sync");
    send("secret");
    // Looking needs no lock.
    EXPECT_EQ(engine("inspect").exitCode, 0);
    const auto error = end();
    ::close(fd);
    EXPECT_EQ(exitStatus_, 75);
    EXPECT_EQ(error.at("code"), "Busy");
    EXPECT_EQ(error.at("retry"), true);
    EXPECT_EQ(error.at("message"),
              "volume u-data: another operation on " + image_ + " is running (process 4711)");
    EXPECT_EQ(error.at("hint"), "Try again when it has finished.");
    EXPECT_GE(took_, std::chrono::seconds(4));
    EXPECT_TRUE(imageBytes() == before_);
}

TEST_F(EngineInTheMiddle, ASignalStopsItAtASafePoint) {
    const int fd = takeLock();
    start("sync");
    send("secret");
    ASSERT_NO_FATAL_FAILURE(waitUntilAsleep());
    ASSERT_EQ(::kill(pid_, SIGTERM), 0);
    ::close(fd);
    const auto error = end();
    EXPECT_EQ(exitStatus_, 75);
    EXPECT_EQ(error.at("code"), "Cancelled");
    EXPECT_EQ(error.at("retry"), true);
    EXPECT_EQ(error.at("message"),
              "volume u-data (" + image_ + "): stopped by a signal at a safe point");
    EXPECT_TRUE(imageBytes() == before_);
}

}  // namespace
}  // namespace volumecrypt::test
