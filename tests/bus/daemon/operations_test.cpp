// SPDX-License-Identifier: Apache-2.0
// What the engine is told by each method that starts a job and takes nothing but options: the
// scripted engine writes its words down.
#include <fstream>

#include <sys/mman.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "client.h"
#include "test_bus.h"
#include "test_daemon.h"

namespace volumecrypt::test {
namespace {

struct Operation {
    const char *method;
    Options options;
    std::string line;  // up to --output
    bool takesSecret = false;
};

const Options kConfirmed{{"confirm", sdbus::Variant("u-data")}};

Options with(Options options, const char *flag) {
    options.emplace(flag, sdbus::Variant(true));
    return options;
}

std::vector<Operation> operations() {
    return {{"Sync", {}, "sync u-data", true},
            {"Sync", with(with({}, "verify"), "adopt"), "sync u-data --verify --adopt", true},
            {"Grow", {}, "grow u-data", true},
            {"Encrypt", {}, "encrypt u-data", true},
            {"Encrypt",
             {{"rate", sdbus::Variant(std::uint64_t{5'000'000})}},
             "encrypt u-data --rate 5000000",
             true},
            {"Decrypt", {}, "decrypt u-data", true},
            {"Decrypt",
             {{"rate", sdbus::Variant(std::uint64_t{5'000'000})}},
             "decrypt u-data --rate 5000000",
             true},
            {"RotateVolumeKey", {}, "reencrypt u-data", true},
            {"RotateVolumeKey",
             {{"rate", sdbus::Variant(std::uint64_t{1} << 20U)}},
             "reencrypt u-data --rate 1048576",
             true},
            {"Format", kConfirmed, "format u-data"},
            {"Format", with(kConfirmed, "force"), "format u-data --force"},
            {"Erase", kConfirmed, "erase u-data --confirm u-data"},
            {"Wipe", kConfirmed, "wipe u-data --confirm u-data"},
            {"Forget", kConfirmed, "forget u-data --confirm u-data"}};
}

sdbus::UnixFd memoryFile(std::string_view content) {
    const int fd = ::memfd_create("content", MFD_CLOEXEC);
    EXPECT_EQ(::write(fd, content.data(), content.size()), static_cast<ssize_t>(content.size()));
    EXPECT_EQ(::lseek(fd, 0, SEEK_SET), 0);
    return sdbus::UnixFd(fd, sdbus::adopt_fd);
}

class Operations : public ::testing::Test {
  protected:
    void SetUp() override {
        daemon_.configure("data.yaml", daemon_.userVolume("data", {"0: first"}));
        for (const auto &operation : operations())
            daemon_.script(operation.line.substr(0, operation.line.find(' ')), "result");
        daemon_.start();
        client_.listen();
    }
    // What the engine was told but for inspections, which come by themselves, and for where the
    // test's files are.
    [[nodiscard]] std::vector<std::string> told() const {
        const std::string places = " --root ";
        const std::string json = " --output json";
        std::vector<std::string> lines;
        std::ifstream file(daemon_.folder().file("script/calls"));
        for (std::string line; std::getline(file, line);) {
            const auto begin = line.find(places);
            const auto end = line.find(json) + json.size();
            if (!line.starts_with("inspect ")) lines.push_back(line.erase(begin, end - begin));
        }
        return lines;
    }

    TestBus bus_{Polkit::Absent};
    TestDaemon daemon_{Engine::Scripted};
    Client client_;
    std::string data_ = volumePath("u-data");
};

TEST_F(Operations, EachIsOneVerbOfTheEngine) {
    std::vector<std::string> wanted;
    for (const auto &operation : operations()) {
        const Finished done = client_.runJob(data_, kVolume, operation.method, operation.options);
        EXPECT_TRUE(done.success) << operation.method << ": " << done.message;
        wanted.push_back(operation.line);
    }
    EXPECT_EQ(told(), wanted);
}

TEST_F(Operations, WhatTheEngineNotesIsTold) {
    daemon_.script("grow", R"(result ',"notes":["grown to 48 MiB","and more"]')");
    EXPECT_EQ(client_.runJob(data_, kVolume, "Grow", Options()).message,
              "grown to 48 MiB, and more");
}

TEST_F(Operations, WhatDestroysIsConfirmedByTheVolumesName) {
    const Options another{{"confirm", sdbus::Variant("u-other")}};
    for (const auto &operation : operations()) {
        if (!operation.options.contains("confirm")) continue;
        for (const Options &options : {Options(), another})
            EXPECT_EQ(client_.call(data_, kVolume, operation.method, options),
                      "org.freedesktop.DBus.Error.InvalidArgs")
                << operation.method;
    }
    EXPECT_THAT(told(), ::testing::IsEmpty());
}

TEST_F(Operations, UnknownOptionsAreRefused) {
    for (const auto &operation : operations())
        EXPECT_EQ(client_.call(data_, kVolume, operation.method, with(operation.options, "forse")),
                  "org.freedesktop.DBus.Error.InvalidArgs")
            << operation.method;
    EXPECT_THAT(told(), ::testing::IsEmpty());
}

TEST_F(Operations, TheEngineReadsTheSecret) {
    std::vector<std::string> wanted;
    for (const auto &operation : operations()) {
        Options options = operation.options;
        options.emplace("secret", sdbus::Variant(memoryFile("first")));
        const Finished done = client_.runJob(data_, kVolume, operation.method, options);
        EXPECT_EQ(done.success, operation.takesSecret) << operation.method << done.error;
        if (!operation.takesSecret) continue;
        const std::string volume = " u-data";
        wanted.push_back(operation.line);
        wanted.back().insert(operation.line.find(volume) + volume.size(), " --secret-fd 0");
    }
    EXPECT_EQ(told(), wanted);
}

// The engine gets the descriptor itself: what it writes is in the caller's file.
TEST_F(Operations, ABackupGoesToTheCallersFile) {
    daemon_.script("backup-header", "printf header >&0; result");
    const sdbus::UnixFd file = memoryFile("");
    const Finished done = client_.runJob(data_, kVolume, "BackupHeader", file, Options());
    ASSERT_TRUE(done.success) << done.message;
    char content[16] = {};
    EXPECT_EQ(::pread(file.get(), content, sizeof content, 0), 6);
    EXPECT_STREQ(content, "header");
    EXPECT_EQ(told(), std::vector<std::string>{"backup-header u-data --header-fd 0"});
}

TEST_F(Operations, ARestoreIsGivenTheFileAndMaybeASecret) {
    daemon_.script("restore-header",
                   R"(case $* in *--header-fd*) cat <&0 >"$SCRIPTS/given" ;; esac; result)");
    EXPECT_TRUE(
        client_.runJob(data_, kVolume, "RestoreHeader", memoryFile("backup"), Options()).success);
    std::ifstream given(daemon_.folder().file("script/given"));
    EXPECT_EQ(std::string(std::istreambuf_iterator<char>(given), {}), "backup");
    Options both = kConfirmed;
    both.emplace("secret", sdbus::Variant(memoryFile("first")));
    EXPECT_TRUE(
        client_.runJob(data_, kVolume, "RestoreHeader", memoryFile("backup"), both).success);
    EXPECT_EQ(told(), (std::vector<std::string>{
                          "restore-header u-data --header-fd 0",
                          "restore-header u-data --secrets-from 0 --confirm u-data"}));
}

TEST_F(Operations, HeadersWantTheirOptionsRight) {
    const Options another{{"confirm", sdbus::Variant("u-other")}};
    const char *const invalid = "org.freedesktop.DBus.Error.InvalidArgs";
    EXPECT_EQ(client_.call(data_, kVolume, "RestoreHeader", memoryFile("backup"), another),
              invalid);
    EXPECT_EQ(client_.call(data_, kVolume, "BackupHeader", memoryFile(""), kConfirmed), invalid);
    EXPECT_THAT(told(), ::testing::IsEmpty());
}

}  // namespace
}  // namespace volumecrypt::test
