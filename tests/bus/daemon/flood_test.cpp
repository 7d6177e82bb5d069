// SPDX-License-Identifier: Apache-2.0
// A caller without rights who calls ten thousand times, rightly and wrongly, and callers who leave
// before they are answered: everybody else is served meanwhile, and nothing is left of it.
#include <algorithm>
#include <chrono>
#include <deque>
#include <filesystem>
#include <sstream>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include "client.h"
#include "support/luks_image.h"
#include "test_bus.h"
#include "test_daemon.h"

namespace volumecrypt::test {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kCalls = 10'000;
constexpr std::size_t kConnections = 8;
// dbus-daemon lets a connection wait for 128 replies.
constexpr int kOutstanding = 100;
// The address sanitizer keeps freed memory back, 256 MiB of it by default.
#ifdef __SANITIZE_ADDRESS__
constexpr long kKeptBack = 400 * 1024;
#else
constexpr long kKeptBack = 0;
#endif

sdbus::UnixFd someFile() {
    return {::open("/dev/null", O_RDONLY | O_CLOEXEC), sdbus::adopt_fd};
}

// One connection that never waits for an answer before it asks again.
class Flooder {
  public:
    explicit Flooder(std::string data) : data_(std::move(data)) {
        for (const std::string &path : {std::string(kRoot), data_, std::string(kRoot) + "/none"})
            proxies_[path] = bus::makeProxy(*connection_, kName, path);
    }

    [[nodiscard]] bool full() const { return sent_ - answered_ >= kOutstanding; }
    [[nodiscard]] int sent() const { return sent_; }
    [[nodiscard]] int answered() const { return answered_; }
    [[nodiscard]] const std::map<std::string, int> &answers() const { return answers_; }

    // One of a dozen calls, by its number.
    void call(int number) {
        const Options unknown{{"nonsense", sdbus::Variant(std::string(100'000, 'x'))}};
        const Options confirmed{{"confirm", sdbus::Variant("u-data")}};
        switch (number % 12) {
            case 0:
                return send(kRoot, kManager, "GetVolume", std::string("u-data"));
            case 1:
                return send(kRoot, kManager, "GetVolume", std::string(50'000, 'u'));
            case 2:
                return send(kRoot, kManager, "ListJobs");
            case 3:
                return send(data_, "org.freedesktop.DBus.Properties", "GetAll",
                            std::string(kVolume));
            case 4:
                return send(data_, kVolume, "Sync", Options());
            case 5:
                return send(data_, kVolume, "Sync", unknown);
            case 6:
                return send(data_, kVolume, "Erase", confirmed);
            case 7:
                return send(data_, kVolume, "Erase", Options());
            case 8:
                return send(data_, kVolume, "AddKey", std::string("passphrase"), someFile(),
                            Options());
            case 9:
                return send(data_, kVolume, "NoSuchMethod", std::uint32_t{1});
            case 10:
                return send(data_, kVolume, "RemoveKey", std::string("one"));
            default:
                return send(std::string(kRoot) + "/none", kVolume, "Lock", Options());
        }
    }
    bool process() { return bus::processOne(*connection_); }
    void wait() {
        const auto data = connection_->getEventLoopPollData();
        pollfd descriptor{.fd = data.fd, .events = data.events, .revents = 0};
        ::poll(&descriptor, 1, 5);
    }

  private:
    template <typename... Arguments>
    void send(const std::string &path, const char *interface, const char *method,
              const Arguments &...arguments) {
        proxies_.at(path)
            ->callMethodAsync(method)
            .onInterface(interface)
            .withArguments(arguments...)
            .uponReplyInvoke([this](bus::CallError error) {
                ++answered_;
                ++answers_[error ? answerOf(*error).error : "ok"];
            });
        ++sent_;
    }

    std::string data_;
    std::unique_ptr<sdbus::IConnection> connection_ = sdbus::createSystemBusConnection();
    std::map<std::string, std::unique_ptr<sdbus::IProxy>> proxies_;
    std::map<std::string, int> answers_;
    int sent_ = 0;
    int answered_ = 0;
};

// "ANSWERED NAME=COUNT …"
std::string flood(const std::string &data) {
    std::deque<Flooder> flooders;
    for (std::size_t i = 0; i < kConnections; ++i) flooders.emplace_back(data);
    int sent = 0;
    int answered = 0;
    const auto end = Clock::now() + std::chrono::seconds(120);
    while (answered < kCalls && Clock::now() < end) {
        bool idle = true;
        for (Flooder &flooder : flooders) {
            for (; sent < kCalls && !flooder.full(); ++sent) flooder.call(sent / 8 + sent);
            while (flooder.process()) idle = false;
        }
        answered = 0;
        for (const Flooder &flooder : flooders) answered += flooder.answered();
        if (idle) flooders.front().wait();
    }
    std::map<std::string, int> all;
    for (const Flooder &flooder : flooders)
        for (const auto &[name, count] : flooder.answers()) all[name] += count;
    std::ostringstream text;
    text << answered;
    for (const auto &[name, count] : all) text << " " << name << "=" << count;
    return text.str();
}

class Flood : public ::testing::Test {
  protected:
    void SetUp() override {
        image_ = daemon_.makeImage("data");
        daemon_.configure("data.yaml", daemon_.userVolume("data", {"0: first"}));
        daemon_.start();
        client_.listen();
        const Options confirmed{{"confirm", sdbus::Variant("u-data")}};
        const Finished done = client_.runJob(data_, kVolume, "Format", confirmed);
        ASSERT_TRUE(done.success) << done.message;
        before_ = bytesOfFile(image_);
        // What is made once only is made now.
        ASSERT_EQ(asUser(kNobody,
                         [&](Client &nobody) {
                             return nobody.call(data_, kVolume, "Sync", Options()).error;
                         }),
                  "NotAuthorized");
    }
    [[nodiscard]] std::size_t openFiles() const {
        const std::filesystem::directory_iterator files(
            "/proc/" + std::to_string(daemon_.process().pid()) + "/fd");
        return static_cast<std::size_t>(std::distance(begin(files), end(files)));
    }
    // What a caller with rights gets done, and how long the longest answer took.
    Clock::duration serveRoot(const std::function<bool()> &until, int &served) {
        Clock::duration longest{};
        while (!until()) {
            const auto begun = Clock::now();
            EXPECT_EQ(client_.property<std::string>(data_, kVolume, "State"), "locked");
            std::vector<Options> steps;
            EXPECT_EQ(client_.get(steps, data_, kVolume, "Plan"), "");
            longest = std::max(longest, Clock::now() - begun);
            ++served;
        }
        return longest;
    }

    TestBus bus_{Polkit::Real};
    TestDaemon daemon_{Engine::Real};
    Client client_;
    std::string data_ = volumePath("u-data");
    std::string image_;
    std::string before_;
};

TEST_F(Flood, OfTenThousandCallsLeavesNothing) {
    const std::size_t files = openFiles();
    const long memory = daemon_.process().residentKilobytes();
    OtherUser flooding(kNobody, [this](Client &) { return flood(data_); });
    int served = 0;
    long highest = 0;
    const auto longest = serveRoot(
        [&] {
            highest = std::max(highest, daemon_.process().residentKilobytes());
            return flooding.answered(std::chrono::milliseconds(10));
        },
        served);
    const std::string answers = flooding.answer();
    EXPECT_TRUE(answers.starts_with(std::to_string(kCalls) + " ")) << answers;
    // Refused for want of rights or of place, or wrong in itself; never anything else.
    std::istringstream words(answers);
    std::string word;
    words >> word;
    while (words >> word)
        EXPECT_THAT(word.substr(0, word.find('=')),
                    ::testing::AnyOf("ok", "NotAuthorized", "Busy", "NotFound",
                                     ::testing::StartsWith("org.freedesktop.DBus.Error.")))
            << answers;
    EXPECT_THAT(answers, ::testing::HasSubstr("NotAuthorized="));
    EXPECT_GE(served, 3) << "root was kept waiting";
    EXPECT_LE(longest, std::chrono::seconds(10));
    RecordProperty("answers", answers);
    RecordProperty("rootServed", served);

    EXPECT_TRUE(eventually([&] { return openFiles() <= files; })) << openFiles() << " > " << files;
    EXPECT_LE(highest - memory, kKeptBack + 16 * 1024) << "kilobytes more at the highest";
    EXPECT_LE(daemon_.process().residentKilobytes() - memory, kKeptBack + 8 * 1024)
        << "kilobytes more";
    EXPECT_TRUE(client_.runJob(data_, kVolume, "Sync", Options()).success);
    EXPECT_TRUE(bytesOfFile(image_) == before_);
}

TEST_F(Flood, OfCallersWhoLeaveBeforeTheirAnswerLeavesNothing) {
    const auto leave = [this](int callers) {
        return asUser(kNobody, [this, callers](Client &) {
            for (int i = 0; i < callers; ++i) {
                Flooder flooder(data_);
                for (int number = 0; number < 12; ++number) flooder.call(number);
                // Some before their calls are sent, some after.
                for (int turn = 0; turn < i % 4; ++turn) flooder.process();
            }
            return std::string("left");
        });
    };
    ASSERT_EQ(leave(20), "left");
    ASSERT_TRUE(client_.runJob(data_, kVolume, "Sync", Options()).success);
    const std::size_t files = openFiles();
    const long memory = daemon_.process().residentKilobytes();
    ASSERT_EQ(leave(300), "left");
    const Finished after = client_.runJob(data_, kVolume, "Sync", Options());
    EXPECT_TRUE(after.success) << after.error << ": " << after.message;
    EXPECT_TRUE(eventually([&] { return openFiles() <= files; })) << openFiles() << " > " << files;
    EXPECT_LE(daemon_.process().residentKilobytes() - memory, kKeptBack + 4 * 1024)
        << "kilobytes more";
    EXPECT_EQ(asUser(kNobody,
                     [&](Client &nobody) {
                         return nobody.call(data_, kVolume, "Sync", Options()).error;
                     }),
              "NotAuthorized");
    EXPECT_TRUE(bytesOfFile(image_) == before_);
}

}  // namespace
}  // namespace volumecrypt::test
