// SPDX-License-Identifier: Apache-2.0
// A person who is asked by polkit: only when the caller allows it, and nobody else waits for the
// answer. The real polkitd asks an agent of ours, which answers as the person does.
#include <csignal>
#include <fstream>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client.h"
#include "served_object.h"
#include "test_bus.h"
#include "test_daemon.h"

namespace volumecrypt::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char *kPolkit = "org.freedesktop.PolicyKit1";
constexpr const char *kAuthority = "org.freedesktop.PolicyKit1.Authority";
constexpr const char *kAuthorityPath = "/org/freedesktop/PolicyKit1/Authority";
constexpr const char *kAgent = "org.freedesktop.PolicyKit1.AuthenticationAgent";
constexpr const char *kAgentPath = "/agent";

using Details = std::map<std::string, std::string>;
using Identity = sdbus::Struct<std::string, std::map<std::string, sdbus::Variant>>;

std::string contents(const std::string &path) {
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

// `busctl call … Sync` of an unprivileged user, which begins when it is told to.
class Caller {
  public:
    Caller(const TempDir &folder, const std::string &name, bool interactive)
        : go_(folder.file(name + ".go")), log_(folder.file(name + ".log")) {
        process_ = Companion(
            {"/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "/bin/sh",
             "-c", "while [ ! -e \"$1\" ]; do sleep 0.02; done; shift; exec \"$@\"", "sh", go_,
             "busctl", "--system",
             std::string("--allow-interactive-authorization=") + (interactive ? "yes" : "no"),
             "call", kName, volumePath("u-data"), kVolume, "Sync", "a{sv}", "0"},
            log_);
        if (!eventually([this] { return field("Uid:") == "65534"; }))
            throw std::runtime_error("setpriv does not start");
    }

    [[nodiscard]] Identity subject() const {
        const std::string stat = contents("/proc/" + std::to_string(process_.pid()) + "/stat");
        std::istringstream fields(stat.substr(stat.rfind(')') + 1));
        std::string start;
        for (int number = 3; number <= 22; ++number) fields >> start;
        return {"unix-process",
                {{"pid", sdbus::Variant(static_cast<std::uint32_t>(process_.pid()))},
                 {"start-time", sdbus::Variant(std::uint64_t{std::stoull(start)})},
                 {"uid", sdbus::Variant(std::int32_t{65534})}}};
    }
    void begin() const { std::ofstream(go_).put('x'); }
    void leave() { process_.kill(); }
    [[nodiscard]] std::string said() const { return contents(log_); }
    [[nodiscard]] bool ended() const { return field("State:").empty() || field("State:") == "Z"; }

  private:
    [[nodiscard]] std::string field(const std::string &name) const {
        std::istringstream text(contents("/proc/" + std::to_string(process_.pid()) + "/status"));
        for (std::string word; text >> word;)
            if (word == name && text >> word) return word;
        return {};
    }

    std::string go_;
    std::string log_;
    Companion process_;
};

class Interaction : public ::testing::Test {
  protected:
    static void SetUpTestSuite() { bus_ = std::make_unique<TestBus>(Polkit::Real); }
    static void TearDownTestSuite() { bus_.reset(); }

    void SetUp() override {
        daemon_.configure("data.yaml", daemon_.userVolume("data", {"0: first"}));
        daemon_.script("sync", "result");
        daemon_.start();
        root_.listen();
        agent_ = std::make_unique<ServedObject>(root_.bus(), kAgentPath);
        agent_->method(
            kAgent, "BeginAuthentication",
            [this](sdbus::Result<> &&result, const std::string &action, const std::string &message,
                   const std::string &, const Details &details, const std::string &cookie,
                   const std::vector<Identity> &identities) {
                questions_.push_back({action, message, details, cookie, identities.at(0),
                                      std::make_shared<sdbus::Result<>>(std::move(result))});
            });
        agent_->method(kAgent, "CancelAuthentication",
                       [this](const std::string &cookie) { withdrawn_.push_back(cookie); });
        agent_->publish();
        authority_ = bus::makeProxy(root_.bus(), kPolkit, kAuthorityPath);
    }
    // From now on our agent is the one who asks on behalf of that caller; until our connection
    // ends.
    void serve(const Caller &caller) {
        authority_->callMethod("RegisterAuthenticationAgent")
            .onInterface(kAuthority)
            .withArguments(caller.subject(), std::string("C"), std::string(kAgentPath));
    }
    void waitForQuestion() {
        ASSERT_TRUE(root_.waitFor([this] { return !questions_.empty(); }));
    }
    // The person has typed the right password.
    void approve() { approveFor(questions_.back(), {kNobody, 0}); }
    void dismiss() {
        questions_.back().result->returnError(
            bus::busError("org.freedesktop.PolicyKit1.Error.Cancelled", "the person said no"));
    }
    bool waitForEnd(const Caller &caller) {
        return root_.waitFor([&] { return caller.ended(); });
    }
    // The folder of the bus, which other users may look into, is that of the whole suite.
    static std::string name() {
        return testing::UnitTest::GetInstance()->current_test_info()->name();
    }
    std::string engineCalls() const { return contents(daemon_.folder().file("script/calls")); }

    struct Question {
        std::string action;
        std::string message;
        Details details;
        std::string cookie;
        Identity identity;
        std::shared_ptr<sdbus::Result<>> result;
    };

    // polkit 122 takes a session for that of who serves the agent, 126 for that of who is asked.
    void approveFor(const Question &question, std::vector<std::uint32_t> users) {
        const auto user = users.back();
        users.pop_back();
        authority_->callMethodAsync("AuthenticationAgentResponse2")
            .onInterface(kAuthority)
            .withArguments(user, question.cookie, question.identity)
            .uponReplyInvoke([this, question, users](bus::CallError error) {
                if (!error) return question.result->returnResults();
                if (users.empty()) return question.result->returnError(*error);
                approveFor(question, users);
            });
    }

    static std::unique_ptr<TestBus> bus_;
    TestDaemon daemon_{Engine::Scripted};
    Client root_;
    std::unique_ptr<ServedObject> agent_;
    std::unique_ptr<sdbus::IProxy> authority_;
    std::vector<Question> questions_;
    std::vector<std::string> withdrawn_;
};
std::unique_ptr<TestBus> Interaction::bus_;

TEST_F(Interaction, WhoAllowsItIsAskedAndThenServed) {
    const Caller caller(bus_->folder(), name(), true);
    serve(caller);
    caller.begin();
    waitForQuestion();
    EXPECT_EQ(questions_[0].action, "org.example.VolumeCrypt.manage-keys");
    EXPECT_FALSE(questions_[0].message.empty());
    EXPECT_THAT(engineCalls(), Not(HasSubstr("sync")));
    approve();
    ASSERT_TRUE(waitForEnd(caller));
    EXPECT_THAT(caller.said(), HasSubstr("o \"/org/example/VolumeCrypt/job/"));
    EXPECT_TRUE(
        root_.waitFor([&] { return engineCalls().find("sync u-data") != std::string::npos; }));
}

TEST_F(Interaction, WithoutTheFlagNobodyIsAsked) {
    const Caller caller(bus_->folder(), name(), false);
    serve(caller);
    caller.begin();
    ASSERT_TRUE(waitForEnd(caller));
    EXPECT_THAT(caller.said(), HasSubstr("an administrator has to authenticate for it"));
    EXPECT_THAT(caller.said(),
                HasSubstr("Run it as root, or at a terminal, where polkit can ask. To allow it "
                          "without asking, answer org.example.VolumeCrypt.manage-keys"));
    EXPECT_TRUE(questions_.empty());
    EXPECT_THAT(engineCalls(), Not(HasSubstr("sync")));
}

TEST_F(Interaction, WhoSaysNoIsRefused) {
    const Caller caller(bus_->folder(), name(), true);
    serve(caller);
    caller.begin();
    waitForQuestion();
    dismiss();
    ASSERT_TRUE(waitForEnd(caller));
    EXPECT_THAT(caller.said(), HasSubstr("not authorised for org.example.VolumeCrypt.manage-keys"));
    EXPECT_THAT(engineCalls(), Not(HasSubstr("sync")));
}

TEST_F(Interaction, NobodyWaitsForAPersonWhoThinks) {
    const Caller caller(bus_->folder(), name(), true);
    serve(caller);
    caller.begin();
    waitForQuestion();
    // Root, and the same user by another connection.
    EXPECT_TRUE(root_.runJob(volumePath("u-data"), kVolume, "Sync", Options()).success);
    EXPECT_EQ(asUser(kNobody,
                     [](Client &client) {
                         return client.call(volumePath("u-data"), kVolume, "Sync", Options()).error;
                     }),
              "NotAuthorized");
    EXPECT_FALSE(caller.ended());
    approve();
    ASSERT_TRUE(waitForEnd(caller));
    EXPECT_THAT(caller.said(), HasSubstr("o \"/org/example/VolumeCrypt/job/"));
}

TEST_F(Interaction, AQuestionIsWithdrawnWhenItsCallerLeaves) {
    Caller caller(bus_->folder(), name(), true);
    serve(caller);
    caller.begin();
    waitForQuestion();
    const auto before = engineCalls();
    caller.leave();
    ASSERT_TRUE(root_.waitFor([&] { return !withdrawn_.empty(); }));
    EXPECT_EQ(withdrawn_[0], questions_[0].cookie);
    // The person may still type: too late.
    questions_.back().result->returnError(
        bus::busError("org.freedesktop.PolicyKit1.Error.Cancelled", ""));
    EXPECT_TRUE(root_.runJob(volumePath("u-data"), kVolume, "Sync", Options()).success);
    const auto after = engineCalls().substr(before.size());
    EXPECT_EQ(after.find("sync"), after.rfind("sync u-data")) << "one sync, that of root";
}

}  // namespace
}  // namespace volumecrypt::test
