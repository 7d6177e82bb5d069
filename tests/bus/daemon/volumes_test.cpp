// SPDX-License-Identifier: Apache-2.0
// Volumes on plain files over D-Bus: the real daemon, the real engine and the real polkitd; the
// distribution's cryptsetup judges what they did.
#include <algorithm>
#include <cctype>

#include <sys/mman.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "client.h"
#include "support/process.h"
#include "test_bus.h"
#include "test_daemon.h"

namespace volumecrypt::test {
namespace {

using ::testing::HasSubstr;
using Slot = sdbus::Struct<std::uint32_t, std::string, bool, bool, std::string>;

class Volumes : public ::testing::Test {
  protected:
    static void SetUpTestSuite() { bus_ = std::make_unique<TestBus>(Polkit::Real); }
    static void TearDownTestSuite() { bus_.reset(); }

    void SetUp() override {
        image_ = daemon_.makeImage("data");
        declare({"0: first", "1: second"});
        daemon_.start();
        client_.listen();
    }
    void declare(const std::vector<std::string> &keys) {
        daemon_.configure("data.yaml", daemon_.userVolume("data", keys));
    }
    void format() {
        const Options confirmed{{"confirm", sdbus::Variant("u-data")}};
        const Finished done = client_.runJob(data_, kVolume, "Format", confirmed);
        ASSERT_TRUE(done.success) << done.error << ": " << done.message;
        ASSERT_TRUE(client_.waitFor([&] { return state() == "locked"; }));
    }
    std::string state() { return client_.property<std::string>(data_, kVolume, "State"); }
    bool opens(unsigned slot, const std::string &passphrase) const {
        const Process process{.argv = {"cryptsetup", "open", "--test-passphrase", "--key-slot",
                                       std::to_string(slot), "--key-file", "-", image_},
                              .input = passphrase,
                              .secret = {}};
        return process.run().exitCode == 0;
    }

    static std::unique_ptr<TestBus> bus_;
    TestDaemon daemon_{Engine::Real};
    Client client_;
    std::string data_ = volumePath("u-data");
    std::string image_;
};
std::unique_ptr<TestBus> Volumes::bus_;

TEST_F(Volumes, AreFormattedAndShown) {
    EXPECT_EQ(state(), "blank");
    format();
    const auto slots = client_.property<std::vector<Slot>>(data_, kVolume, "KeySlots");
    ASSERT_EQ(slots.size(), 2U);
    EXPECT_EQ(slots[1].get<0>(), 1U);
    EXPECT_EQ(slots[1].get<1>(), "static");
    EXPECT_TRUE(slots[1].get<2>());
    EXPECT_EQ(slots[1].get<4>(), "ok");
    EXPECT_EQ(client_.property<std::string>(data_, kVolume, "Cipher"), "aes-xts-plain64");
    EXPECT_FALSE(client_.property<std::string>(data_, kVolume, "Uuid").empty());
    EXPECT_TRUE(opens(0, "first"));
    EXPECT_TRUE(opens(1, "second"));
    EXPECT_FALSE(client_.changes().empty());
}

TEST_F(Volumes, SyncBringsAChangedKeyIn) {
    format();
    declare({"0: first", "1: changed"});
    ASSERT_EQ(client_.call(kRoot, kManager, "Reload", Options()), "");
    std::vector<Options> steps;
    ASSERT_EQ(client_.get(steps, data_, kVolume, "Plan"), "");
    EXPECT_EQ(steps.size(), 2U);
    EXPECT_TRUE(opens(1, "second")) << "Plan changed the volume";

    EXPECT_EQ(asUser(kNobody,
                     [&](Client &nobody) {
                         return nobody.call(data_, kVolume, "Sync", Options()).error;
                     }),
              "NotAuthorized");
    EXPECT_TRUE(opens(1, "second"));

    const Finished done = client_.runJob(data_, kVolume, "Sync", Options());
    EXPECT_TRUE(done.success) << done.error << ": " << done.message;
    EXPECT_TRUE(opens(0, "first"));
    EXPECT_TRUE(opens(1, "changed"));
    EXPECT_FALSE(opens(1, "second"));
}

TEST_F(Volumes, AFailedSyncTellsWhy) {
    format();
    declare({"0: other", "1: changed"});
    ASSERT_EQ(client_.call(kRoot, kManager, "Reload", Options()), "");
    const Finished done = client_.runJob(data_, kVolume, "Sync", Options());
    EXPECT_FALSE(done.success);
    EXPECT_THAT(done.error, HasSubstr("NoUsableKey"));
    EXPECT_THAT(done.message, HasSubstr("u-data"));
    EXPECT_TRUE(opens(0, "first"));
    EXPECT_TRUE(opens(1, "second"));
}

TEST_F(Volumes, OnlyDevicesGrow) {
    format();
    const Finished done = client_.runJob(data_, kVolume, "Grow", Options());
    EXPECT_FALSE(done.success);
    EXPECT_THAT(done.error, HasSubstr("Unsupported"));
    EXPECT_THAT(done.message, HasSubstr("plain file"));
    EXPECT_EQ(asUser(kNobody,
                     [&](Client &nobody) {
                         return nobody.call(data_, kVolume, "Grow", Options()).error;
                     }),
              "NotAuthorized");
}

TEST_F(Volumes, OnlyMadeKeysAreMadeAnew) {
    format();
    const Answer declared = client_.call(data_, kVolume, "RotateKey", 1U, Options());
    EXPECT_EQ(declared, "InvalidConfig");
    EXPECT_THAT(declared.message, HasSubstr("static"));
    EXPECT_THAT(declared.message, HasSubstr("\nChange the passphrase where it is declared"));
    const Finished empty = client_.runJob(data_, kVolume, "RotateKey", 9U, Options());
    EXPECT_FALSE(empty.success);
    EXPECT_THAT(empty.error, HasSubstr("NotFound"));
    EXPECT_EQ(asUser(kNobody,
                     [&](Client &nobody) {
                         return nobody.call(data_, kVolume, "RotateKey", 1U, Options()).error;
                     }),
              "NotAuthorized");
    EXPECT_TRUE(opens(1, "second"));
}

sdbus::UnixFd memfdWith(const std::string &text) {
    const int fd = ::memfd_create("secret", MFD_CLOEXEC);
    EXPECT_EQ(::write(fd, text.data(), text.size()), static_cast<ssize_t>(text.size()));
    ::lseek(fd, 0, SEEK_SET);
    return {fd, sdbus::adopt_fd};
}

TEST_F(Volumes, RecoveryKeyIsAddedOnlyWhenItWasTypedBack) {
    format();
    std::uint32_t slot = 99;
    const auto add = [&](Client &client, const std::string &text) {
        return client.get(slot, data_, kVolume, "AddKey", std::string("recovery"), memfdWith(text),
                          Options());
    };
    const std::string anyKey =
        "cbdefghi-jklnrtuv-vutrnlkj-ihgfedbc-cbdefghi-jklnrtuv-vutrnlkj-ihgfedbc";
    EXPECT_EQ(add(client_, anyKey), "InvalidConfig") << "none was handed out";

    sdbus::UnixFd handedOut;
    ASSERT_EQ(client_.get(handedOut, data_, kVolume, "NewRecoveryKey", Options()), "");
    std::string key(100, '\0');
    const ssize_t got = ::read(handedOut.get(), key.data(), key.size());
    ASSERT_EQ(got, 71);
    key.resize(71);
    EXPECT_EQ(add(client_, anyKey), "KeyRejected");
    Client other;
    EXPECT_EQ(add(other, key), "InvalidConfig") << "it was handed out to somebody else";
    std::string typed = key.substr(0, 35) + " " + key.substr(36) + "\n";
    std::transform(typed.begin(), typed.end(), typed.begin(),
                   [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    ASSERT_EQ(add(client_, typed), "");
    EXPECT_TRUE(opens(slot, key));
    EXPECT_EQ(add(client_, key), "InvalidConfig") << "it is enrolled already";
    EXPECT_EQ(asUser(kNobody,
                     [&](Client &nobody) {
                         return nobody.call(data_, kVolume, "NewRecoveryKey", Options()).error;
                     }),
              "NotAuthorized");
}

// With every declared key replaced.
TEST_F(Volumes, AKeyIsAddedByAPassphraseThatOpensTheVolume) {
    format();
    declare({"0: other", "1: changed"});
    ASSERT_EQ(client_.call(kRoot, kManager, "Reload", Options()), "");
    std::uint32_t slot = 99;
    const auto add = [&](const char *kind, const std::string &key, const std::string &opening) {
        Options options;
        if (!opening.empty()) options.emplace("unlockSecret", sdbus::Variant(memfdWith(opening)));
        return client_.get(slot, data_, kVolume, "AddKey", std::string(kind), memfdWith(key),
                           options);
    };
    EXPECT_EQ(add("passphrase", "new", ""), "NoUsableKey");
    EXPECT_EQ(add("passphrase", "new", "new"), "KeyRejected");
    ASSERT_EQ(add("passphrase", "new", "first"), "");
    EXPECT_TRUE(opens(slot, "new"));
    EXPECT_TRUE(opens(0, "first")) << "a key was added, and nothing else changed";

    sdbus::UnixFd handedOut;
    ASSERT_EQ(client_.get(handedOut, data_, kVolume, "NewRecoveryKey", Options()), "");
    std::string key(71, '\0');
    ASSERT_EQ(::read(handedOut.get(), key.data(), key.size()), 71);
    EXPECT_EQ(add("recovery", key, ""), "NoUsableKey");
    ASSERT_EQ(add("recovery", key, "first"), "") << "it was written down already";
    EXPECT_TRUE(opens(slot, key));
    EXPECT_EQ(add("recovery", key, "first"), "InvalidConfig") << "it is enrolled";
}

TEST_F(Volumes, BrokenConfigurationIsReported) {
    daemon_.configure("broken.yaml",
                      "apiVersion: v1alpha1\nkind: UserVolumeConfig\nname: \"a b\"\n");
    ASSERT_EQ(client_.call(kRoot, kManager, "Reload", Options()), "");
    using Problem =
        sdbus::Struct<std::string, std::uint32_t, std::uint32_t, std::string, std::string>;
    const auto problems = client_.property<std::vector<Problem>>(kRoot, kManager, "ConfigErrors");
    ASSERT_EQ(problems.size(), 1U);
    EXPECT_THAT(problems[0].get<0>(), HasSubstr("broken.yaml"));
    EXPECT_EQ(problems[0].get<1>(), 3U);
    EXPECT_EQ(problems[0].get<3>(), "InvalidConfig");
    EXPECT_THAT(problems[0].get<4>(), HasSubstr("name can only contain"));
}

// Every user may read the property: a passphrase that slipped into another field, or next to one,
// is not in it, nor in the daemon's log.
TEST_F(Volumes, ConfigErrorsRepeatNothingOfTheKeys) {
    const std::string head = "apiVersion: v1alpha1\nkind: UserVolumeConfig\nname: slip";
    const std::vector<std::string> slips{"{slot: hunter2, nodeID: {}}",
                                         "{hunter2: x, static: hunter2}",
                                         "{static: {passphraseFile: hunter2}}",
                                         "{static: {passphrase hunter2}}",
                                         "{static: {passphrase: [hunter2]}}",
                                         "{static: {passphrase: *hunter2}}",
                                         "{static: {passphrase: 'hunter2}}",
                                         "{kms: {endpoint: \"hunter2://user:hunter2@host\"}}",
                                         "{kms: {endpoint: \"grpcs://hunter2$\", caFile: hunter2}}",
                                         "{tpm: {options: {pcrs: [hunter2]}, hunter2: x}}",
                                         "{nodeID: {hunter2: x}, lockToState: hunter2}"};
    for (std::size_t i = 0; i < slips.size(); ++i)
        daemon_.configure(
            "slip" + std::to_string(i) + ".yaml",
            head + std::to_string(i) + "\nencryption:\n  keys:\n    - " + slips[i] + "\n");
    ASSERT_EQ(client_.call(kRoot, kManager, "Reload", Options()), "");
    const std::string read = asUser(kNobody, [](Client &nobody) {
        using Problem =
            sdbus::Struct<std::string, std::uint32_t, std::uint32_t, std::string, std::string>;
        std::string text;
        for (const auto &problem :
             nobody.property<std::vector<Problem>>(kRoot, kManager, "ConfigErrors"))
            text += problem.get<0>() + ": " + problem.get<4>() + "\n";
        return text;
    });
    for (std::size_t i = 0; i < slips.size(); ++i)
        EXPECT_THAT(read, HasSubstr("slip" + std::to_string(i) + ".yaml: ")) << slips[i];
    EXPECT_THAT(read, ::testing::Not(HasSubstr("hunter2")));
    EXPECT_THAT(daemon_.log(), ::testing::Not(HasSubstr("hunter2")));
}

TEST_F(Volumes, WhatIsNotReadIsAWarning) {
    const auto reload = [] {
        return Process{.argv = {CTL_PROGRAM, "reload"}, .input = {}, .secret = {}}.run();
    };
    EXPECT_EQ(reload().exitCode, 0);
    daemon_.configure("other.yml", "kind: UserVolumeConfig\n");
    daemon_.configure("pod.yaml", "apiVersion: v1\nkind: Pod\n");
    const ProcessResult told = reload();
    EXPECT_EQ(told.exitCode, 0);
    EXPECT_THAT(told.err, HasSubstr("other.yml: warning: is not read: the name has to end with"));
    EXPECT_THAT(told.err,
                HasSubstr("pod.yaml:2:7: warning: a document of kind \"Pod\" is skipped"));
    using Problem =
        sdbus::Struct<std::string, std::uint32_t, std::uint32_t, std::string, std::string>;
    EXPECT_EQ(client_.property<std::vector<Problem>>(kRoot, kManager, "ConfigWarnings").size(), 2U);
    EXPECT_TRUE(client_.property<std::vector<Problem>>(kRoot, kManager, "ConfigErrors").empty());
    daemon_.configure("broken.yaml",
                      "apiVersion: v1alpha1\nkind: UserVolumeConfig\nname: \"a b\"\n");
    EXPECT_EQ(reload().exitCode, 1);
}

// File names are bytes, and a YAML string may hold what D-Bus cannot: one such name must not hide
// every other object.
TEST_F(Volumes, NamesThatAreNoTextHideNothing) {
    daemon_.configure("bad\xff.yaml", "kind: UserVolumeConfig\n");
    daemon_.configure("odd.yaml",
                      "apiVersion: v1alpha1\nkind: UserVolumeConfig\nname: odd\n"
                      "volume: {device: \"/dev/\\uFFFF\\uFDD0\"}\n");
    ASSERT_EQ(client_.call(kRoot, kManager, "Reload", Options()), "");
    using Objects =
        std::map<sdbus::ObjectPath, std::map<std::string, std::map<std::string, sdbus::Variant>>>;
    Objects objects;
    ASSERT_EQ(
        client_.get(objects, kRoot, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects"), "");
    EXPECT_EQ(objects.size(), 2U);
    EXPECT_EQ(client_.property<std::string>(volumePath("u-odd"), kVolume, "Device"),
              "/dev/\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
    using Problem =
        sdbus::Struct<std::string, std::uint32_t, std::uint32_t, std::string, std::string>;
    const auto problems = client_.property<std::vector<Problem>>(kRoot, kManager, "ConfigErrors");
    ASSERT_FALSE(problems.empty());
    EXPECT_THAT(problems[0].get<0>(), HasSubstr("bad\xef\xbf\xbd.yaml"));
    // polkit is told the device as well.
    EXPECT_EQ(asUser(kNobody,
                     [&](Client &nobody) {
                         return nobody.call(volumePath("u-odd"), kVolume, "Sync", Options()).error;
                     }),
              "NotAuthorized");
    EXPECT_EQ(client_.call(volumePath("u-odd"), kVolume, "Plan"), "NotFound");
}

TEST_F(Volumes, UnknownVolume) {
    sdbus::ObjectPath path;
    EXPECT_EQ(client_.get(path, kRoot, kManager, "GetVolume", "u-none"), "NotFound");
}

}  // namespace
}  // namespace volumecrypt::test
