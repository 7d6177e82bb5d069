// SPDX-License-Identifier: Apache-2.0
// One user floods the daemon in every way at once: calls, descriptors, dictionaries, connections
// and signals. Another one is served meanwhile, and the daemon is the same one afterwards.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <deque>
#include <functional>
#include <future>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client.h"
#include "raw_caller.h"
#include "test_bus.h"
#include "test_daemon.h"

namespace volumecrypt::test {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr std::chrono::seconds kDuration{8};
constexpr uid_t kOther = 1;
// dbus-daemon lets a connection wait for 128 replies.
constexpr int kOutstanding = 100;
// What the sanitizers watch takes many times as much of both: there the siege looks for memory
// errors, not for time.
#ifdef __SANITIZE_ADDRESS__
constexpr long kMost = 512 * 1024;
constexpr int kLongest = 60'000;  // milliseconds
constexpr int kServed = 3;
#else
constexpr long kMost = 64 * 1024;
constexpr int kLongest = 1000;
constexpr int kServed = 15;
#endif

const std::string kData = volumePath("u-data");

RawMessage callOf(const char *interface, const char *member, const std::string &signature = "",
                  const std::string &body = "") {
    return {.path = interface == std::string(kVolume) ? kData : kRoot,
            .interface = interface,
            .member = member,
            .destination = kName,
            .signature = signature,
            .body = body};
}

// Never waits for an answer before it asks again, as long as the bus lets it.
void flood(std::size_t connections, const std::vector<RawMessage> &messages, bool answered) {
    std::vector<RawCaller> callers(connections);
    std::vector<int> outstanding(connections, 0);
    const auto end = Clock::now() + kDuration;
    for (std::size_t number = 0; Clock::now() < end; ++number)
        for (std::size_t i = 0; i < callers.size(); ++i) {
            while (outstanding[i] >= kOutstanding && callers[i].readAnswer(5000)) --outstanding[i];
            callers[i].send(messages[number % messages.size()]);
            if (answered) ++outstanding[i];
        }
}

void floodCalls() {
    const std::string all = RawCaller::strings({kVolume});
    flood(8,
          {callOf(kVolume, "Sync", "a{sv}", RawCaller::dictionary(0)), callOf(kManager, "ListJobs"),
           callOf("org.freedesktop.DBus.ObjectManager", "GetManagedObjects"),
           callOf(kManager, "Plan"), callOf("org.freedesktop.DBus.Introspectable", "Introspect"),
           callOf("org.freedesktop.DBus.Properties", "GetAll", "s", all)},
          true);
}

void floodDescriptors() {
    RawMessage unlock = callOf(kVolume, "Unlock", "a{sv}", RawCaller::secretOption());
    unlock.descriptors = 16;
    flood(5, {unlock}, true);
}

// 16 MiB each. The bus itself takes half a second for twice that, and all others wait for it.
void floodDictionaries() {
    const RawMessage sync = callOf(kVolume, "Sync", "a{sv}", RawCaller::dictionary(700'000));
    RawCaller caller;
    const auto end = Clock::now() + kDuration;
    do caller.send(sync);
    while (caller.readAnswer(20'000) && Clock::now() < end);
}

void floodConnections() {
    const auto end = Clock::now() + kDuration;
    std::deque<RawCaller> callers;
    while (Clock::now() < end) {
        callers.emplace_back().send(
            callOf("org.freedesktop.DBus.ObjectManager", "GetManagedObjects"));
        if (callers.size() > 50) callers.pop_front();
    }
}

void floodSignals() {
    RawMessage left = callOf("org.freedesktop.DBus", "NameOwnerChanged", "sss",
                             RawCaller::strings({":1.1", ":1.1", ""}));
    RawMessage removed =
        callOf("org.freedesktop.systemd1.Manager", "UnitRemoved", "so",
               RawCaller::strings({"volumecrypt-job-1.service", "/org/freedesktop/systemd1"}));
    left.type = removed.type = 4;
    left.path = "/org/freedesktop/DBus";
    removed.path = "/org/freedesktop/systemd1";
    flood(4, {left, removed}, false);
}

struct Served {
    int times = 0;
    int refused = 0;
    Clock::duration longest{};
    std::string wrong;
};

// dbus-daemon itself answers so, whoever calls, while more descriptors than it keeps for one
// connection wait for the daemon. They are read at once, unless the sanitizers read them.
bool refusedByTheBus(const Answer &answer) {
    return answer.error == "org.freedesktop.DBus.Error.LimitsExceeded" &&
           answer.message.find("destination has a full message queue") != std::string::npos;
}

// "TIMES LONGEST-IN-MILLISECONDS REFUSED-BY-THE-BUS WRONG-ANSWERS"
std::string servedTo(Client &client, Clock::time_point end) {
    Served served;
    while (Clock::now() < end) {
        for (int kind = 0; kind < 3; ++kind) {
            const auto begun = Clock::now();
            std::vector<sdbus::ObjectPath> jobs;
            Options properties;
            const Answer answer =
                kind == 0   ? client.get(jobs, kRoot, kManager, "ListJobs")
                : kind == 1 ? client.get(properties, kData, "org.freedesktop.DBus.Properties",
                                         "GetAll", std::string(kVolume))
                            : client.call(kData, kVolume, "Sync", Options());
            served.longest = std::max(served.longest, Clock::now() - begun);
            if (refusedByTheBus(answer)) {
                ++served.refused;
                continue;
            }
            if (answer.error != (kind == 2 ? "NotAuthorized" : ""))
                served.wrong += " " + std::to_string(kind) + ":" + answer.error;
            ++served.times;
        }
        std::this_thread::sleep_for(milliseconds(50));
    }
    return std::to_string(served.times) + " " +
           std::to_string(std::chrono::duration_cast<milliseconds>(served.longest).count()) + " " +
           std::to_string(served.refused) + served.wrong;
}

// How long polkitd answers nobody at all, asked by root. The one of Debian 12 (122) sometimes
// misses that the thread which runs its rules has ended, and then waits 15 s for it: that is no
// delay of ours, and nothing that the daemon could do for anybody.
class PolkitWitness {
  public:
    PolkitWitness()
        : longest_(std::async(std::launch::async, [this] {
              const auto connection = sdbus::createSystemBusConnection();
              const auto polkit = bus::makeProxy(*connection, "org.freedesktop.PolicyKit1",
                                                 "/org/freedesktop/PolicyKit1/Authority");
              Clock::duration longest{};
              while (!over_) {
                  const auto begun = Clock::now();
                  polkit->callMethod("EnumerateActions")
                      .onInterface("org.freedesktop.PolicyKit1.Authority")
                      .withTimeout(kPatience)
                      .withArguments("");
                  longest = std::max(longest, Clock::now() - begun);
                  std::this_thread::sleep_for(milliseconds(50));
              }
              return std::chrono::duration_cast<milliseconds>(longest);
          })) {}
    milliseconds longest() {
        over_ = true;
        return longest_.get();
    }

  private:
    static constexpr std::chrono::microseconds kPatience = std::chrono::minutes(2);
    std::atomic<bool> over_ = false;
    std::future<milliseconds> longest_;
};

class Siege : public ::testing::Test {
  protected:
    void SetUp() override {
        ASSERT_FALSE(daemon_.makeImage("data").empty());
        daemon_.configure("data.yaml", daemon_.userVolume("data", {"0: first"}));
        daemon_.start();
    }
    // All at once, and the other user.
    void besiege(const std::vector<void (*)()> &floods) {
        std::vector<OtherUser> running;
        running.reserve(floods.size());
        for (const auto run : floods)
            running.emplace_back(kNobody, [run](Client &) {
                run();
                return std::string("done");
            });
        OtherUser other(kOther,
                        [](Client &client) { return servedTo(client, Clock::now() + kDuration); });
        PolkitWitness polkit;
        const std::string served = other.answer();
        for (auto &flood : running) EXPECT_EQ(flood.answer(), "done");
        const milliseconds deaf = polkit.longest();
        const bool stalled = deaf > milliseconds(kLongest);
        int times = 0;
        int longest = 0;
        int refused = 0;
        char more = 0;
        ASSERT_EQ(std::sscanf(served.c_str(), "%d %d %d%c", &times, &longest, &refused, &more), 3)
            << served;
        EXPECT_LE(refused, times / 10) << served;
        if (!stalled) {
            EXPECT_GE(times, kServed) << served;
        }
        EXPECT_LE(longest, kLongest + (stalled ? deaf.count() : 0)) << "milliseconds";
        RecordProperty("served", served);
        RecordProperty("polkitd", static_cast<int>(deaf.count()));
        RecordProperty("kilobytes", static_cast<int>(daemon_.process().highestKilobytes()));
        EXPECT_LE(daemon_.process().highestKilobytes(), kMost);
        Client root;
        EXPECT_EQ(root.property<std::string>(kData, kVolume, "Id"), "u-data") << daemon_.log();
        EXPECT_EQ(::kill(daemon_.process().pid(), 0), 0);
        EXPECT_THAT(daemon_.log(), ::testing::Not(::testing::HasSubstr("bus is gone")));
    }

    TestBus bus_{Polkit::Real};
    TestDaemon daemon_{Engine::Real};
};

TEST_F(Siege, ByCallsDescriptorsConnectionsAndSignals) {
    besiege({floodCalls, floodDescriptors, floodConnections, floodSignals});
}

TEST_F(Siege, ByCallsDescriptorsDictionariesAndConnections) {
    besiege({floodCalls, floodDescriptors, floodDictionaries, floodConnections});
}

}  // namespace
}  // namespace volumecrypt::test
