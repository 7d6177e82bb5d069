// SPDX-License-Identifier: Apache-2.0
// Several programs at one header: engines wait for one another, and what somebody's cryptsetup does
// meanwhile is neither lost nor takes anything away.
#include <atomic>
#include <filesystem>
#include <future>

#include <sys/file.h>

#include <fcntl.h>

#include "base/files.h"
#include "support/volume_fixture.h"

namespace volumecrypt::test {
namespace {

constexpr const char *kConcurrentKeys =
    "- {slot: 0, nodeID: {}}\n- {slot: 1, static: {passphrase: oldkey}}";

std::string withKey(const std::string &passphrase) {
    return "- {slot: 0, nodeID: {}}\n- {slot: 1, static: {passphrase: " + passphrase + "}}";
}

class EngineConcurrencyTest : public VolumeFixture {
  protected:
    void SetUp() override {
        makeImage();
        declare(kConcurrentKeys);
        ASSERT_EQ(engine("format").exitCode, 0);
    }
    auto start(const std::string &verb, std::optional<std::string> secret = {}) {
        return std::async(std::launch::async,
                          [this, verb, secret] { return engine(verb, {}, secret); });
    }
    int addByHand(unsigned slot) const {
        const std::string file = directory_.path() + "/hand" + std::to_string(slot);
        EXPECT_TRUE(base::writeFileAtomically(file, hand(slot), 0600));
        return cryptsetup({"luksAddKey", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000",
                           "--key-slot", std::to_string(slot), "--key-file", "-", image_, file},
                          kNodeId)
            .exitCode;
    }
    static std::string hand(unsigned slot) { return "by hand " + std::to_string(slot); }
};

TEST_F(EngineConcurrencyTest, EnginesWaitForOneAnother) {
    declare(std::string(kConcurrentKeys) + "\n- {slot: 4, static: {passphrase: four}}");
    std::vector<std::future<EngineResult>> runs;
    for (int i = 0; i < 4; ++i) runs.push_back(start("sync"));
    for (int i = 0; i < 3; ++i) runs.push_back(start("add-key", "added " + std::to_string(i)));
    std::vector<unsigned> added;
    int changed = 0;
    for (auto &run : runs) {
        const EngineResult result = run.get();
        ASSERT_EQ(result.exitCode, 0) << result.last().dump();
        if (result.last().contains("steps"))
            changed += result.last().at("changed").get<bool>() ? 1 : 0;
        else
            added.push_back(result.last().at("slot").get<unsigned>());
    }
    EXPECT_GE(changed, 1);
    EXPECT_TRUE(opens(4, "four"));
    ASSERT_EQ(added.size(), 3U);
    for (unsigned i = 0; i < 3; ++i) EXPECT_TRUE(opens(added[i], "added " + std::to_string(i)));
    EXPECT_EQ(engine("plan").exitCode, 0);
    EXPECT_EQ(engine("inspect").last().at("slots").size(), 6U);
}

TEST_F(EngineConcurrencyTest, ABusyVolumeIsSaidToBeBusy) {
    ASSERT_EQ(engine("sync").exitCode, 0);
    std::vector<int> held;
    for (const auto &entry :
         std::filesystem::recursive_directory_iterator(root_ + "/run/volumecrypt/lock")) {
        if (!entry.is_regular_file()) continue;
        held.push_back(::open(entry.path().c_str(), O_RDWR | O_CLOEXEC));
        ASSERT_EQ(::flock(held.back(), LOCK_EX), 0);
    }
    ASSERT_FALSE(held.empty());
    declare(withKey("newkey"));
    const std::string before = imageBytes();
    const EngineResult busy = engine("sync");
    EXPECT_EQ(busy.exitCode, 75);
    EXPECT_EQ(busy.code(), "Busy");
    EXPECT_EQ(busy.last().at("retry"), true);
    EXPECT_TRUE(imageBytes() == before);
    EXPECT_EQ(engine("plan").exitCode, 2) << "looking needs no lock";
    for (const int fd : held) ::close(fd);
    EXPECT_EQ(engine("sync").exitCode, 0);
}

TEST_F(EngineConcurrencyTest, NothingOfACryptsetupRunByHandIsLost) {
    constexpr int kRounds = 4;
    std::atomic<bool> enough = false;
    auto byHand = std::async(std::launch::async, [this, &enough] {
        std::vector<unsigned> done;
        for (unsigned slot = 8; slot < 28 && !enough; ++slot)
            if (addByHand(slot) == 0) done.push_back(slot);
        return done;
    });
    for (int round = 1; round <= kRounds; ++round) {
        declare(withKey("key" + std::to_string(round)));
        // Where everything is slow cryptsetup may come in between again and again: said to be Busy,
        // and worth trying again.
        EngineResult sync = engine("sync");
        for (int tries = 0; sync.exitCode == 75 && sync.code() == "Busy" && tries < 10; ++tries)
            sync = engine("sync");
        EXPECT_EQ(sync.exitCode, 0) << sync.last().dump();
    }
    enough = true;
    const std::vector<unsigned> added = byHand.get();
    // cryptsetup gives up when somebody changes the header under it; then it says so.
    ASSERT_FALSE(added.empty());
    for (const unsigned slot : added) EXPECT_TRUE(opens(slot, hand(slot))) << slot;
    EXPECT_TRUE(opens(0, kNodeId));
    EXPECT_TRUE(opens(1, "key" + std::to_string(kRounds)));
    EXPECT_EQ(engine("plan").exitCode, 0);
    EXPECT_EQ(engine("inspect").last().at("slots").size(), 2 + added.size());
}

}  // namespace
}  // namespace volumecrypt::test
