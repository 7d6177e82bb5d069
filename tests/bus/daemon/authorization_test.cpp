// SPDX-License-Identifier: Apache-2.0
// Who may do what: the real polkitd decides about a user without rights, root is always authorised.
#include <array>
#include <map>
#include <regex>
#include <set>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client.h"
#include "test_bus.h"
#include "test_daemon.h"

namespace volumecrypt::test {
namespace {

using ::testing::HasSubstr;

class Authorization : public ::testing::Test {
  protected:
    static void SetUpTestSuite() { bus_ = std::make_unique<TestBus>(Polkit::Real); }
    static void TearDownTestSuite() { bus_.reset(); }

    void SetUp() override {
        bus_->removeRules();
        daemon_.configure("volumes.yaml", daemon_.userVolume("data", {"0: first"}) + "---\n" +
                                              daemon_.userVolume("other", {"0: first"}));
        daemon_.script("sync", "result");
        daemon_.script("plan", "result ',\"steps\":[]'");
        daemon_.start();
    }

    // The names of the errors that nobody gets for one call of a volume's method; "" for success.
    static std::string nobodySyncs(const std::string &id) {
        return asUser(kNobody, [&](Client &client) {
            return client.call(volumePath(id), kVolume, "Sync", Options()).error;
        });
    }

    static std::unique_ptr<TestBus> bus_;
    TestDaemon daemon_{Engine::Scripted};
    std::string data_ = volumePath("u-data");
};
std::unique_ptr<TestBus> Authorization::bus_;

constexpr const char *kAllowAll = R"(polkit.addRule(function(action, subject) {
    if (action.id.indexOf("org.example.VolumeCrypt.") == 0 && subject.user == "nobody")
        return polkit.Result.YES;
});)";

TEST_F(Authorization, RootMayEverything) {
    Client root;
    root.listen();
    std::vector<sdbus::Struct<std::string, std::vector<Options>>> plans;
    EXPECT_EQ(root.get(plans, kRoot, kManager, "Plan"), "");
    EXPECT_EQ(plans.size(), 2U);
    EXPECT_EQ(root.call(kRoot, kManager, "Reload", Options()), "");
    EXPECT_TRUE(root.runJob(kRoot, kManager, "Apply", Options()).success);
    EXPECT_TRUE(root.runJob(data_, kVolume, "Sync", Options()).success);
}

TEST_F(Authorization, AnotherUserMayReadAndNothingElse) {
    const auto answers = asUser(kNobody, [&](Client &client) {
        std::string text;
        sdbus::ObjectPath path;
        text += "get=" + client.get(path, kRoot, kManager, "GetVolume", "u-data").error;
        std::vector<sdbus::ObjectPath> jobs;
        text += " jobs=" + client.get(jobs, kRoot, kManager, "ListJobs").error;
        text += " state=" + client.property<std::string>(path, kVolume, "State");
        text += " reload=" + client.call(kRoot, kManager, "Reload", Options()).error;
        text += " apply=" + client.call(kRoot, kManager, "Apply", Options()).error;
        text += " plan=" + client.call(kRoot, kManager, "Plan").error;
        return text;
    });
    EXPECT_EQ(answers,
              "get= jobs= state=locked reload=NotAuthorized apply=NotAuthorized "
              "plan=NotAuthorized");
}

// The methods of a volume as the service describes itself: name, and the types of what each takes.
std::map<std::string, std::string> methodsOf(const std::string &description) {
    std::map<std::string, std::string> methods;
    const auto begin = description.find("<interface name=\"" + std::string(kVolume) + "\"");
    std::istringstream lines(
        description.substr(begin, description.find("</interface>", begin) - begin));
    const std::regex named("<method name=\"(\\w+)\"");
    const std::regex taken("<arg type=\"([^\"]+)\".* direction=\"in\"");
    std::string method;
    for (std::string line; std::getline(lines, line);) {
        std::smatch found;
        if (std::regex_search(line, found, named)) methods[method = found[1]];
        if (std::regex_search(line, found, taken)) methods[method] += found[1];
    }
    return methods;
}

// What comes of calls to a method with everything that makes it a request.
std::vector<std::string> answersTo(Client &client, const std::string &path,
                                   const std::string &method, const std::string &takes) {
    const auto call = [&](const auto &...arguments) {
        return client.call(path, kVolume, method.c_str(), arguments...).error;
    };
    if (takes.empty()) return {call()};
    if (takes == "ua{sv}") return {call(std::uint32_t{1}, Options())};
    if (takes == "ha{sv}") return {call(sdbus::UnixFd(0), Options())};
    if (takes == "sha{sv}")
        return {call("passphrase", sdbus::UnixFd(0), Options()),
                call("recovery", sdbus::UnixFd(0), Options())};
    if (takes != "a{sv}") return {"this test cannot call what takes " + takes};
    const std::string answer = call(Options());
    if (answer != "org.freedesktop.DBus.Error.InvalidArgs") return {answer};
    return {call(Options{{"confirm", sdbus::Variant("u-data")}})};
}

TEST_F(Authorization, EveryMethodOfAVolumeIsGuarded) {
    const auto wrong = asUser(kNobody, [&](Client &client) {
        std::string description;
        client.get(description, data_, "org.freedesktop.DBus.Introspectable", "Introspect");
        auto methods = methodsOf(description);
        std::string found = methods.size() < 19 ? "too few methods are known" : "";
        methods.erase("Authorize");
        for (const auto &[method, takes] : methods)
            for (const auto &answer : answersTo(client, data_, method, takes))
                if (answer != "NotAuthorized") found += method + "=" + answer + " ";
        for (const char *operation :
             {"unlock", "sync", "apply", "add-key", "grow", "encrypt", "decrypt"}) {
            const auto answer = client.call(data_, kVolume, "Authorize", operation, Options());
            if (answer.error != "NotAuthorized")
                found += std::string(operation) + "=" + answer.error + " ";
        }
        return found;
    });
    EXPECT_EQ(wrong, "");
}

TEST_F(Authorization, ARuleOfPolkitAllows) {
    ASSERT_EQ(nobodySyncs("u-data"), "NotAuthorized");
    bus_->writeRule("50-test", kAllowAll);
    EXPECT_TRUE(eventually([] { return nobodySyncs("u-data").empty(); }));
    EXPECT_TRUE(
        eventually([&] { return daemon_.log().find("sync for uid 65534") != std::string::npos; }));
}

TEST_F(Authorization, RulesSeeWhichVolumeAndWhatFor) {
    bus_->writeRule("50-test", R"(polkit.addRule(function(action, subject) {
        if (action.id == "org.example.VolumeCrypt.manage-keys" && subject.user == "nobody" &&
            action.lookup("volume") == "u-data" && action.lookup("operation") == "sync" &&
            action.lookup("device") == "/fake")
            return polkit.Result.YES;
    });)");
    EXPECT_TRUE(eventually([] { return nobodySyncs("u-data").empty(); }));
    EXPECT_EQ(nobodySyncs("u-other"), "NotAuthorized");
    EXPECT_EQ(
        asUser(kNobody, [&](Client &client) { return client.call(data_, kVolume, "Plan").error; }),
        "NotAuthorized");
}

// The answer is the operation's own, whatever the rule looks at; nothing is done.
TEST_F(Authorization, CanBeAskedForBefore) {
    const auto may = [&](const std::string &id, const std::string &operation) {
        return asUser(kNobody, [&](Client &client) {
            return client.call(volumePath(id), kVolume, "Authorize", operation, Options()).error;
        });
    };
    bus_->writeRule("50-test", R"(polkit.addRule(function(action, subject) {
        if (action.id == "org.example.VolumeCrypt.manage-keys" && subject.user == "nobody" &&
            action.lookup("volume") == "u-data" && action.lookup("device") == "/fake" &&
            action.lookup("operation") == "sync")
            return polkit.Result.YES;
    });)");
    EXPECT_TRUE(eventually([&] { return may("u-data", "sync").empty(); }));
    EXPECT_EQ(may("u-other", "sync"), "NotAuthorized");
    EXPECT_EQ(may("u-data", "add-key"), "NotAuthorized");
    EXPECT_EQ(may("u-data", "unlock"), "NotAuthorized");
    // As Manager.Apply, which concerns more than one volume's keys.
    EXPECT_EQ(may("u-data", "apply"), "NotAuthorized");
    Client root;
    EXPECT_EQ(root.call(data_, kVolume, "Authorize", "unlock", Options()), "");
    EXPECT_EQ(root.call(data_, kVolume, "Authorize", "erase", Options()),
              "org.freedesktop.DBus.Error.InvalidArgs");
    std::vector<sdbus::ObjectPath> jobs;
    EXPECT_EQ(root.get(jobs, kRoot, kManager, "ListJobs"), "");
    EXPECT_TRUE(jobs.empty());
}

TEST_F(Authorization, CancellingAJobIsGuarded) {
    daemon_.script("sync", "hang");
    Client root;
    root.listen();
    sdbus::ObjectPath job;
    ASSERT_EQ(root.get(job, data_, kVolume, "Sync", Options()), "");
    EXPECT_EQ(
        asUser(kNobody,
               [&](Client &client) { return client.call(job, kJob, "Cancel", Options()).error; }),
        "NotAuthorized");
    EXPECT_EQ(root.call(job, kJob, "Cancel", Options()), "");
    EXPECT_FALSE(root.finished(job).success);
}

// polkit's own view of the installed actions.
TEST_F(Authorization, ActionsHaveTheirDefaults) {
    using Details = std::map<std::string, std::string>;
    using Action = sdbus::Struct<std::string, std::string, std::string, std::string, std::string,
                                 std::string, std::uint32_t, std::uint32_t, std::uint32_t, Details>;
    // PolkitImplicitAuthorization
    constexpr std::uint32_t kAdmin = 2;
    constexpr std::uint32_t kAdminKeep = 4;
    const std::map<std::string, std::uint32_t> active{
        {"unlock", kAdminKeep},    {"lock", kAdminKeep},   {"manage-keys", kAdminKeep},
        {"format", kAdmin},        {"erase", kAdmin},      {"header", kAdmin},
        {"reencrypt", kAdminKeep}, {"reload", kAdminKeep}, {"manage-jobs", kAdminKeep},
        {"grow", kAdminKeep}};
    const auto connection = sdbus::createSystemBusConnection();
    std::vector<Action> actions;
    bus::makeProxy(*connection, "org.freedesktop.PolicyKit1",
                   "/org/freedesktop/PolicyKit1/Authority")
        ->callMethod("EnumerateActions")
        .onInterface("org.freedesktop.PolicyKit1.Authority")
        .withArguments("C")
        .storeResultsTo(actions);
    std::map<std::string, std::uint32_t> found;
    const std::string prefix = "org.example.VolumeCrypt.";
    for (const auto &action : actions) {
        ASSERT_TRUE(action.get<0>().starts_with(prefix)) << action.get<0>();
        EXPECT_EQ(action.get<6>(), kAdmin) << action.get<0>();
        EXPECT_EQ(action.get<7>(), kAdmin) << action.get<0>();
        EXPECT_FALSE(action.get<1>().empty());
        EXPECT_FALSE(action.get<2>().empty());
        found[action.get<0>().substr(prefix.size())] = action.get<8>();
    }
    EXPECT_EQ(found, active);
}

// Last, since it replaces the bus of the suite.
TEST(AuthorizationWithoutPolkit, OnlyRootMay) {
    const TestBus bus(Polkit::Absent);
    TestDaemon daemon(Engine::Scripted);
    daemon.configure("volumes.yaml", daemon.userVolume("data", {"0: first"}));
    daemon.script("sync", "result");
    daemon.start();
    const auto answer = asUser(kNobody, [](Client &client) {
        const auto denied = client.call(volumePath("u-data"), kVolume, "Sync", Options());
        return denied.error + ": " + denied.message;
    });
    EXPECT_THAT(answer, HasSubstr("NotAuthorized: "));
    EXPECT_THAT(answer, HasSubstr("polkit is not there"));
    Client root;
    root.listen();
    EXPECT_TRUE(root.runJob(volumePath("u-data"), kVolume, "Sync", Options()).success);
}

}  // namespace
}  // namespace volumecrypt::test
