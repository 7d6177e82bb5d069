// SPDX-License-Identifier: Apache-2.0
// The lock that orders key derivations is waited for: not without end, not past a signal.
#include <chrono>

#include <sys/file.h>

#include <fcntl.h>

#include "base/files.h"
#include "base/unique_fd.h"
#include "support/result_matchers.h"
#include "support/volume_fixture.h"
#include "volume/kdf_lock.h"

namespace volumecrypt::test {
namespace {

using base::ErrorCode;
using std::chrono::milliseconds;
using ::testing::AllOf;
using ::testing::HasSubstr;
using volume::KdfLock;
using volume::Verb;

constexpr std::uint64_t kMuch = std::uint64_t{1} << 20;

class EngineKdfLockTest : public VolumeFixture {
  protected:
    // As another engine holds it, and for as long as it likes.
    void holdLock() {
        const std::string directory = root_ + "/run/volumecrypt/lock";
        ASSERT_TRUE(base::makeDirectories(directory));
        auto file = base::openFile(directory + "/kdf", O_RDWR | O_CREAT, 0600);
        ASSERT_THAT(file, IsOk());
        held_ = std::move(*file);
        ASSERT_EQ(::write(held_.get(), "4711\n", 5), 5);
        ASSERT_EQ(::flock(held_.get(), LOCK_EX), 0);
    }
    [[nodiscard]] volume::Options optionsFor(Verb verb) const {
        return {.verb = verb,
                .id = *model::VolumeId::parse("u-data"),
                .paths = model::SystemPaths(root_, {})};
    }
    // Key slot 0 then asks for more than is free of the lock.
    void makeCostlyVolume() {
        makeImage();
        declare("- {slot: 0, static: {passphrase: abc}}");
        ASSERT_EQ(engine("format").exitCode, 0);
        const auto converted = cryptsetup(
            {"luksConvertKey", "--pbkdf", "argon2id", "--pbkdf-memory", "70000", "--pbkdf-parallel",
             "1", "--pbkdf-force-iterations", "4", "--key-slot", "0", "--key-file", "-", image_},
            "abc");
        ASSERT_EQ(converted.exitCode, 0) << converted.err;
    }
    base::UniqueFd held_;
};

TEST_F(EngineKdfLockTest, SmallDerivationsDoNotAskForIt) {
    holdLock();
    const auto options = optionsFor(Verb::Sync);
    volume::Reporter reporter(options.verbName, options.id.text(), options.output);
    KdfLock lock(options, reporter, milliseconds(0));
    const auto turn = lock.await(std::uint64_t{64} << 10);
    ASSERT_THAT(turn, IsOk());
    EXPECT_FALSE(turn->valid());
}

TEST_F(EngineKdfLockTest, IsBusyInTheEndAndSaysWhoHoldsIt) {
    holdLock();
    const auto options = optionsFor(Verb::Sync);
    volume::Reporter reporter(options.verbName, options.id.text(), options.output);
    KdfLock lock(options, reporter, milliseconds(60));
    const auto turn = lock.await(kMuch);
    ASSERT_THAT(turn, FailsWith(ErrorCode::Busy,
                                AllOf(HasSubstr("volume u-data"), HasSubstr("process 4711"))));
    EXPECT_TRUE(turn.error().retry);
    EXPECT_TRUE(volume::noKeyWasTried(turn.error()));
    held_.reset();
    EXPECT_THAT(lock.await(kMuch), IsOk());
}

TEST_F(EngineKdfLockTest, AttachIsNotKeptFromItsVolume) {
    holdLock();
    const auto options = optionsFor(Verb::Attach);
    volume::Reporter reporter(options.verbName, options.id.text(), options.output);
    constexpr milliseconds kPatience(200);
    KdfLock lock(options, reporter, kPatience);
    const auto start = std::chrono::steady_clock::now();
    for (int key = 0; key < 50; ++key) {
        const auto turn = lock.await(kMuch);
        ASSERT_THAT(turn, IsOk());
        EXPECT_FALSE(turn->valid());
    }
    // Once for all keys, and not once for each.
    EXPECT_LT(std::chrono::steady_clock::now() - start, 20 * kPatience);
}

TEST_F(EngineKdfLockTest, IsHeldWhileItsOwnerLivesAndNotLonger) {
    const auto options = optionsFor(Verb::Sync);
    volume::Reporter reporter(options.verbName, options.id.text(), options.output);
    KdfLock first(options, reporter, milliseconds(0));
    KdfLock second(options, reporter, milliseconds(0));
    {
        const auto turn = first.await(kMuch);
        ASSERT_THAT(turn, IsOk());
        EXPECT_TRUE(turn->valid());
        EXPECT_THAT(second.await(kMuch), FailsWith(ErrorCode::Busy));
    }
    EXPECT_THAT(second.await(kMuch), IsOk());
}

TEST_F(EngineKdfLockTest, ASignalEndsTheWaiting) {
    makeCostlyVolume();
    holdLock();
    const std::string before = imageBytes();
    for (const char *verb : {"sync", "plan"}) {
        const auto start = std::chrono::steady_clock::now();
        // `timeout` kills for good what has not ended by itself.
        const ProcessResult run = Process{
            .argv = {"timeout", "--preserve-status", "--kill-after=20", "1", VOLUMECRYPT_ENGINE,
                     verb, "u-data", "--root", root_, "--config-dir", configDir_, "--output",
                     "json"}}.run();
        EXPECT_EQ(run.exitCode, 75) << run.out << run.err;
        EXPECT_THAT(run.out, HasSubstr("\"Cancelled\""));
        EXPECT_LT(std::chrono::steady_clock::now() - start, milliseconds(15000)) << verb;
    }
    EXPECT_TRUE(imageBytes() == before);
    held_.reset();
    EXPECT_NE(engine("plan").exitCode, 1);
}

}  // namespace
}  // namespace volumecrypt::test
