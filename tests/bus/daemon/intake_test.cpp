// SPDX-License-Identifier: Apache-2.0
// What one user may send before anything is decided: descriptors, sizes, signals of others, and a
// pipe that nobody writes to. Nobody else notices.
#include <chrono>
#include <sstream>

#include <sys/resource.h>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "client.h"
#include "raw_caller.h"
#include "support/luks_image.h"
#include "test_bus.h"
#include "test_daemon.h"

namespace volumecrypt::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// The address sanitizer keeps freed memory back, 256 MiB of it by default.
#ifdef __SANITIZE_ADDRESS__
constexpr long kKeptBack = 400 * 1024;
#else
constexpr long kKeptBack = 0;
#endif
constexpr const char *kLimits = "org.freedesktop.DBus.Error.LimitsExceeded";

std::string textOf(const std::map<std::string, int> &answers) {
    std::ostringstream text;
    for (const auto &[name, count] : answers) text << name << "=" << count << " ";
    return text.str();
}

class Intake : public ::testing::Test {
  protected:
    void SetUp() override {
        ASSERT_FALSE(daemon_.makeImage("data").empty());
        daemon_.configure("data.yaml", daemon_.userVolume("data", {"0: first"}));
    }
    // Five connections call Unlock sixteen times, with sixteen descriptors each, and then wait.
    std::string descriptors() {
        return asUser(kNobody, [this](Client &) {
            std::map<std::string, int> answers;
            std::vector<RawCaller> callers(5);
            for (int round = 0; round < 16; ++round)
                for (auto &caller : callers)
                    caller.send({.path = data_,
                                 .interface = kVolume,
                                 .member = "Unlock",
                                 .destination = kName,
                                 .signature = "a{sv}",
                                 .body = RawCaller::secretOption(),
                                 .descriptors = 16});
            for (auto &caller : callers) {
                for (int i = 0; i < 16 && caller.readAnswer(10'000);) ++i;
                for (const auto &[name, count] : caller.answers()) answers[name] += count;
            }
            return textOf(answers);
        });
    }
    std::string refusal(const RawMessage &message) {
        return asUser(kNobody, [&](Client &) {
            RawCaller caller;
            caller.send(message);
            if (!caller.readAnswer(20'000)) return std::string("no answer");
            return caller.answers().begin()->first;
        });
    }
    void expectAlive() {
        EXPECT_EQ(::kill(daemon_.process().pid(), 0), 0) << daemon_.log();
        EXPECT_EQ(client_.property<std::string>(data_, kVolume, "Id"), "u-data");
        EXPECT_THAT(daemon_.log(), Not(HasSubstr("The system bus is gone")));
    }
    RawMessage call(const std::string &signature, const std::string &body) {
        return {.path = data_,
                .interface = kVolume,
                .member = "Sync",
                .destination = kName,
                .signature = signature,
                .body = body};
    }

    TestBus bus_{Polkit::Real};
    TestDaemon daemon_{Engine::Real};
    Client client_;
    std::string data_ = volumePath("u-data");
};

TEST_F(Intake, DescriptorsOfOneUserDoNotEndIt) {
    // As systemd starts what says nothing about it.
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    const rlimit few{.rlim_cur = 1024, .rlim_max = before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
    daemon_.start();
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
    const std::string answers = descriptors();
    EXPECT_THAT(answers,
                AllOf(HasSubstr(kLimits), HasSubstr("NotAuthorized"), Not(HasSubstr("NoReply"))));
    expectAlive();
}

TEST_F(Intake, DescriptorsAreKeptFreeWhereTheyAreFew) {
    daemon_.start();
    const rlimit few{.rlim_cur = 256, .rlim_max = 256};
    ASSERT_EQ(::prlimit(daemon_.process().pid(), RLIMIT_NOFILE, &few, nullptr), 0);
    const std::string answers = descriptors();
    EXPECT_THAT(answers,
                AllOf(HasSubstr(kLimits), HasSubstr("NotAuthorized"), Not(HasSubstr("NoReply"))));
    expectAlive();
}

TEST_F(Intake, OneCallHasOneDescriptor) {
    daemon_.start();
    // An option of many descriptors, which are all one.
    std::string body = RawCaller::secretOption();
    body.append((8 - body.size() % 8) % 8, '\0');
    body += RawCaller::secretOption().substr(8);
    body[0] = static_cast<char>(body.size() - 8);
    RawMessage unlock = call("a{sv}", body);
    unlock.member = "Unlock";
    unlock.descriptors = 1;
    EXPECT_EQ(refusal(unlock), kLimits);
}

TEST_F(Intake, LargeCallsAreRefusedBeforeAnythingIsBuiltFromThem) {
    daemon_.start();
    const long before = daemon_.process().highestKilobytes();
    const std::string huge = RawCaller::strings({std::string(std::size_t{30} << 20, 'x')});
    RawMessage text = call("s", huge);
    text.interface = kManager;
    text.path = kRoot;
    text.member = "GetVolume";
    EXPECT_EQ(refusal(text), kLimits);
    // 31 MiB in a million entries.
    EXPECT_EQ(refusal(call("a{sv}", RawCaller::dictionary(1'350'000))), kLimits);
    // No more than the message itself, which is gone by now.
    EXPECT_LE(daemon_.process().highestKilobytes() - before, 40 * 1024 + kKeptBack);
    EXPECT_LE(daemon_.process().residentKilobytes(), 24 * 1024 + kKeptBack);
    expectAlive();
}

TEST_F(Intake, WhatDoesNotLookLikeACallOfOursIsRefused) {
    daemon_.start();
    EXPECT_EQ(refusal(call("a{sv}", RawCaller::dictionary(17))), kLimits);
    EXPECT_EQ(refusal(call("a{sv}", RawCaller::dictionary(16))),
              "org.freedesktop.DBus.Error.InvalidArgs");
    RawMessage deep = call("a{sv}", RawCaller::dictionary(0));
    for (int i = 0; i < 16'000; ++i) deep.path += "/a";
    EXPECT_EQ(refusal(deep), kLimits);
    // av, empty
    EXPECT_EQ(refusal(call("av", std::string(4, '\0'))), "org.freedesktop.DBus.Error.InvalidArgs");
    expectAlive();
}

TEST_F(Intake, ACallTooManyIsRefusedAndOthersAreNot) {
    daemon_.start();
    const std::string answers = asUser(kNobody, [](Client &) {
        RawCaller caller;
        for (int i = 0; i < 1000; ++i) {
            caller.send(
                {.path = kRoot, .interface = kManager, .member = "ListJobs", .destination = kName});
            if (!caller.readAnswer(10'000)) break;
        }
        return textOf(caller.answers());
    });
    EXPECT_THAT(answers, AllOf(HasSubstr("ok="), HasSubstr(kLimits)));
    const std::string other = asUser(1, [](Client &client) {
        std::vector<sdbus::ObjectPath> jobs;
        return client.get(jobs, kRoot, kManager, "ListJobs").error;
    });
    EXPECT_EQ(other, "");
}

class IntakeOfKeys : public Intake {
  protected:
    void SetUp() override {
        Intake::SetUp();
        daemon_.start();
        client_.listen();
        const Options confirmed{{"confirm", sdbus::Variant("u-data")}};
        const Finished done = client_.runJob(data_, kVolume, "Format", confirmed);
        ASSERT_TRUE(done.success) << done.message;
        sdbus::UnixFd handedOut;
        ASSERT_EQ(client_.get(handedOut, data_, kVolume, "NewRecoveryKey", Options()), "");
        key_.resize(100);
        key_.resize(static_cast<std::size_t>(::read(handedOut.get(), key_.data(), key_.size())));
    }
    // AddKey with a pipe, which is returned.
    base::UniqueFd addKey(Client &client) {
        int ends[2] = {-1, -1};
        EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
        proxy_ = bus::makeProxy(client.bus(), kName, data_);
        proxy_->callMethodAsync("AddKey")
            .onInterface(kVolume)
            .withArguments("recovery", sdbus::UnixFd(ends[0], sdbus::adopt_fd), Options())
            .uponReplyInvoke([this](bus::CallError error, std::uint32_t) {
                added_ = error ? answerOf(*error) : Answer();
                answered_ = true;
            });
        return base::UniqueFd(ends[1]);
    }

    std::string key_;
    std::unique_ptr<sdbus::IProxy> proxy_;
    bool answered_ = false;
    Answer added_;
};

TEST_F(IntakeOfKeys, APipeThatNobodyWritesToKeepsNobodyWaiting) {
    base::UniqueFd pipe = addKey(client_);
    client_.waitFor([] { return false; }, 1);
    Client other;
    for (int i = 0; i < 20; ++i)
        EXPECT_EQ(other.property<std::string>(data_, kVolume, "State"), "locked");
    // Whoever types slowly is still heard.
    EXPECT_FALSE(answered_) << added_.message;
    ASSERT_EQ(::write(pipe.get(), key_.data(), key_.size()), static_cast<ssize_t>(key_.size()));
    pipe.reset();
    ASSERT_TRUE(client_.waitFor([&] { return answered_; }));
    EXPECT_EQ(added_, "");
}

TEST_F(IntakeOfKeys, SignalsOfOthersAreNotTheBuss) {
    // "She has left": then her key would be forgotten.
    const std::string name = client_.bus().getUniqueName();
    // The bus lets only root send us signals; the daemon trusts nobody's.
    RawCaller caller;
    caller.send({.type = 4,
                 .path = "/org/freedesktop/DBus",
                 .interface = "org.freedesktop.DBus",
                 .member = "NameOwnerChanged",
                 .destination = kName,
                 .signature = "sss",
                 .body = RawCaller::strings({name, name, ""})});
    // An answer to what was sent after it.
    caller.send({.path = kRoot, .interface = kManager, .member = "ListJobs", .destination = kName});
    ASSERT_TRUE(caller.readAnswer(10'000));
    base::UniqueFd pipe = addKey(client_);
    ASSERT_EQ(::write(pipe.get(), key_.data(), key_.size()), static_cast<ssize_t>(key_.size()));
    pipe.reset();
    ASSERT_TRUE(client_.waitFor([&] { return answered_; }));
    EXPECT_EQ(added_, "");
}

}  // namespace
}  // namespace volumecrypt::test
