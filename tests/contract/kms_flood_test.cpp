// SPDX-License-Identifier: Apache-2.0
// volumecrypt-kms-server against clients that want to keep others from it. Loopback has many
// addresses: the floods come from 127.0.0.2, calls from 127.0.0.1.
#include <chrono>
#include <csignal>
#include <cstring>
#include <fstream>
#include <thread>

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <unistd.h>

#include "base/unique_fd.h"
#include "kms_server/connections.h"
#include "kms_server/listener.h"
#include "support/hex.h"
#include "support/kms_place.h"
#include "support/result_matchers.h"

namespace volumecrypt::test {
namespace {

using namespace std::chrono_literals;
using base::UniqueFd;
using Clock = std::chrono::steady_clock;
using kms_server::Connections;
using Verdict = Connections::Verdict;
using testing::HasSubstr;

// A client's preface and an empty SETTINGS frame.
const std::string kHttp2 = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + fromHex("000000040000000000");
const std::string kPing = fromHex("0000080600000000000000000000000000");
const std::string kSettings = fromHex("000000040000000000");
// The head of a TLS record that is longer than what follows.
const std::string kPartOfTls = fromHex("1603010200010001fc");

UniqueFd connectFrom(const char *source, unsigned port) {
    UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = ::inet_addr(source);
    const timeval patience{.tv_sec = 5, .tv_usec = 0};
    (void)::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (::bind(fd.get(), reinterpret_cast<sockaddr *>(&address), sizeof address) < 0) return {};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    if (::connect(fd.get(), reinterpret_cast<sockaddr *>(&address), sizeof address) < 0) return {};
    return fd;
}

bool say(const UniqueFd &fd, const std::string &text) {
    return ::send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(text.size());
}

// Whether the other side hangs up in time; `again` is said to it every 100 ms.
bool isHungUp(const UniqueFd &fd, Clock::duration time, const std::string &again = {}) {
    const auto end = Clock::now() + time;
    while (Clock::now() < end) {
        pollfd waiting{.fd = fd.get(), .events = POLLIN, .revents = 0};
        if (::poll(&waiting, 1, 100) > 0) {
            char bytes[4096];
            if (::recv(fd.get(), bytes, sizeof bytes, 0) <= 0) return true;
        }
        if (!again.empty() && !say(fd, again)) return true;
    }
    return false;
}

class KmsFloodTest : public testing::Test {
  protected:
    KmsFloodTest() {
        rlimit files{};
        (void)::getrlimit(RLIMIT_NOFILE, &files);
        files.rlim_cur = std::min<rlim_t>(files.rlim_max, 4096);
        (void)::setrlimit(RLIMIT_NOFILE, &files);
    }

    std::vector<std::string> tls(std::vector<std::string> more = {}) {
        more.insert(more.begin(), {"--key-file", key_, "--tls-cert", identity_.certificate,
                                   "--tls-key", identity_.key});
        return kmsServer(std::move(more));
    }
    std::vector<std::string> plain(std::vector<std::string> more) {
        more.insert(more.begin(), {"--plaintext", "--key-file", key_});
        return kmsServer(std::move(more));
    }
    // From 127.0.0.1, within two seconds.
    void expectAnswer(const ServerProcess &server, const char *scheme = "grpcs://") const {
        base::KmsRequest request = sealRequest(scheme + server.at("127.0.0.1"));
        if (std::strcmp(scheme, "grpcs://") == 0) request.caFile = ca_.certificate();
        request.timeoutMs = 2000;
        EXPECT_THAT(askKms(request), IsOk());
    }
    static std::vector<UniqueFd> flood(const ServerProcess &server, int connections) {
        std::vector<UniqueFd> sockets;
        sockets.reserve(static_cast<std::size_t>(connections));
        for (int i = 0; i < connections; ++i)
            sockets.push_back(connectFrom("127.0.0.2", server.port()));
        return sockets;
    }

    TempDir directory_;
    std::string key_ = directory_.write("all.key", std::string(32, 'k'));
    Authority ca_{directory_, "ca"};
    Identity identity_ = ca_.issue("server", "DNS:localhost,IP:127.0.0.1");
};

TEST_F(KmsFloodTest, IdleConnectionsOfOneAddressKeepNobodyOut) {
    auto argv = tls();
    argv.insert(argv.begin(), {"/usr/bin/prlimit", "--nofile=1024"});
    ServerProcess server(argv);
    ASSERT_NE(server.port(), 0U);
    {
        const std::vector<UniqueFd> idle = flood(server, 1100);
        expectAnswer(server);
        std::this_thread::sleep_for(3s);
        expectAnswer(server);
    }
    expectAnswer(server);
    EXPECT_EQ(server.stop(), 0);
    EXPECT_THAT(server.log(), HasSubstr("127.0.0.2, which has as many as an address may have"));
}

// Those who have had their time give way, to others at the same address as well.
TEST_F(KmsFloodTest, TheOldestGiveWay) {
    const ServerProcess server(tls({"--max-connections", "6", "--max-per-address", "4"}));
    const std::vector<UniqueFd> first = flood(server, 4);
    std::this_thread::sleep_for(2500ms);
    const UniqueFd fifth = connectFrom("127.0.0.2", server.port());
    EXPECT_TRUE(isHungUp(first[0], 2s));
    EXPECT_FALSE(isHungUp(fifth, 100ms));
    EXPECT_FALSE(isHungUp(first[1], 100ms));
    const UniqueFd other = connectFrom("127.0.0.3", server.port());
    const UniqueFd another = connectFrom("127.0.0.4", server.port());
    expectAnswer(server);
    EXPECT_TRUE(isHungUp(first[1], 2s));
    EXPECT_FALSE(isHungUp(another, 100ms));
}

TEST_F(KmsFloodTest, HandshakesHaveADeadline) {
    const ServerProcess server(tls({"--handshake-timeout", "1"}));
    const ServerProcess bare(plain({"--handshake-timeout", "1"}));
    const UniqueFd silent = connectFrom("127.0.0.1", server.port());
    const UniqueFd slow = connectFrom("127.0.0.1", server.port());
    const UniqueFd silentToo = connectFrom("127.0.0.1", bare.port());
    ASSERT_TRUE(say(slow, kPartOfTls));
    EXPECT_TRUE(isHungUp(slow, 3s, std::string(1, '\0')));
    EXPECT_TRUE(isHungUp(silent, 2s));
    EXPECT_TRUE(isHungUp(silentToo, 2s));
}

TEST_F(KmsFloodTest, IdleConnectionsEnd) {
    const ServerProcess server(plain({"--idle-timeout", "2"}));
    const UniqueFd idle = connectFrom("127.0.0.1", server.port());
    ASSERT_TRUE(say(idle, kHttp2));
    EXPECT_FALSE(isHungUp(idle, 1s));
    EXPECT_TRUE(isHungUp(idle, 5s));
}

// HEADERS of a call whose message never comes, and a SETTINGS frame now and then.
TEST_F(KmsFloodTest, UnfinishedCallsEnd) {
    const ServerProcess server(plain({"--max-age", "2"}));
    const UniqueFd slow = connectFrom("127.0.0.1", server.port());
    const std::string path = "/sidero.kms.KMSService/Seal";
    // :method POST and :scheme http of the static table; :path, :authority, content-type, te.
    std::string block = fromHex("8386") + fromHex("041b") + path + fromHex("0101") + "k" +
                        fromHex("0f1010") + "application/grpc" + fromHex("40027465") +
                        fromHex("08") + "trailers";
    std::string headers = fromHex("000000010400000001");
    headers[2] = static_cast<char>(block.size());
    ASSERT_TRUE(say(slow, kHttp2 + headers + block));
    EXPECT_FALSE(isHungUp(slow, 1s, kSettings));
    EXPECT_TRUE(isHungUp(slow, 8s, kSettings));
    expectAnswer(server, "grpc://");
}

TEST_F(KmsFloodTest, FramesAreNoWeapon) {
    const ServerProcess server(plain({}));
    const UniqueFd pings = connectFrom("127.0.0.2", server.port());
    std::string text = kHttp2;
    for (int i = 0; i < 1000; ++i) text += kPing;
    (void)say(pings, text);
    EXPECT_TRUE(isHungUp(pings, 5s));
    // Nobody reads the acknowledgements: what the server keeps of them is bounded.
    const UniqueFd settings = connectFrom("127.0.0.2", server.port());
    (void)::fcntl(settings.get(), F_SETFL, O_NONBLOCK);
    text = kHttp2;
    for (int i = 0; i < 5000; ++i) text += kSettings;
    for (int i = 0; i < 200; ++i)
        (void)!::send(settings.get(), text.data(), text.size(), MSG_NOSIGNAL);
    expectAnswer(server, "grpc://");
}

// With a soft limit as systemd sets it, and a hard one as it is.
TEST_F(KmsFloodTest, RaisesItsDescriptors) {
    auto argv = plain({});
    argv.insert(argv.begin(), {"/usr/bin/prlimit", "--nofile=256:2048"});
    ServerProcess server(argv);
    rlimit files{};
    ASSERT_EQ(::prlimit(server.pid(), RLIMIT_NOFILE, nullptr, &files), 0);
    EXPECT_EQ(files.rlim_cur, 2048U);
    server.stop();
    EXPECT_EQ(server.log().find("open files allows"), std::string::npos);
}

// What systemd hears.
class Notices {
  public:
    explicit Notices(const std::string &path) : fd_(::socket(AF_UNIX, SOCK_DGRAM, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.copy(address.sun_path, sizeof address.sun_path - 1);
        EXPECT_EQ(::bind(fd_.get(), reinterpret_cast<sockaddr *>(&address), sizeof address), 0);
    }
    bool hears(const std::string &word, Clock::duration time) const {
        const auto end = Clock::now() + time;
        while (Clock::now() < end) {
            pollfd waiting{.fd = fd_.get(), .events = POLLIN, .revents = 0};
            char text[256] = "";
            if (::poll(&waiting, 1, 100) > 0 && ::recv(fd_.get(), text, sizeof text - 1, 0) > 0 &&
                word == text)
                return true;
        }
        return false;
    }

  private:
    UniqueFd fd_;
};

TEST_F(KmsFloodTest, TheWatchdogHearsWhenNobodyIsAccepted) {
    const std::string path = directory_.file("notify");
    const Notices notices(path);
    for (const bool secure : {true, false}) {
        // The flood takes nothing from the server's look at itself.
        auto argv = secure ? tls({"--max-connections", "2", "--client-ca", ca_.certificate()})
                           : plain({"--max-connections", "2"});
        argv.insert(argv.begin(),
                    {"/usr/bin/env", "NOTIFY_SOCKET=" + path, "WATCHDOG_USEC=600000"});
        ServerProcess server(argv);
        ASSERT_TRUE(notices.hears("READY=1", 5s));
        EXPECT_TRUE(notices.hears("WATCHDOG=1", 2s));
        const std::vector<UniqueFd> idle = flood(server, 10);
        EXPECT_TRUE(notices.hears("WATCHDOG=1", 2s));
        EXPECT_TRUE(notices.hears("WATCHDOG=1", 2s));
        // No descriptor is left for those who come.
        const rlimit few{.rlim_cur = 5, .rlim_max = 4096};
        ASSERT_EQ(::prlimit(server.pid(), RLIMIT_NOFILE, &few, nullptr), 0);
        (void)notices.hears("WATCHDOG=1", 300ms);
        EXPECT_FALSE(notices.hears("WATCHDOG=1", 1500ms));
        // The leak checker needs one at the end.
        const rlimit enough{.rlim_cur = 4096, .rlim_max = 4096};
        ASSERT_EQ(::prlimit(server.pid(), RLIMIT_NOFILE, &enough, nullptr), 0);
        EXPECT_EQ(server.stop(), 0);
        EXPECT_THAT(server.log(), HasSubstr("connecting to 127.0.0.1:"));
    }
}

kms_server::Address addressOf(const char *text) {
    kms_server::Address address;
    auto *v4 = reinterpret_cast<sockaddr_in *>(&address.storage);
    auto *v6 = reinterpret_cast<sockaddr_in6 *>(&address.storage);
    address.storage.ss_family = AF_INET6;
    address.size = sizeof *v6;
    if (::inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) return address;
    address.storage.ss_family = AF_INET;
    address.size = sizeof *v4;
    EXPECT_EQ(::inet_pton(AF_INET, text, &v4->sin_addr), 1) << text;
    return address;
}

TEST(KmsAddresses, ANetworkOfIpv6IsOne) {
    const auto owner = [](const char *text) { return addressOf(text).owner(); };
    EXPECT_EQ(owner("2001:db8:1:2::1"), owner("2001:db8:1:2:ffff::7"));
    EXPECT_NE(owner("2001:db8:1:2::1"), owner("2001:db8:1:3::1"));
    EXPECT_EQ(owner("::ffff:10.0.0.1"), owner("10.0.0.1"));
    EXPECT_NE(owner("::ffff:10.0.0.1"), owner("::ffff:10.0.0.2"));
    EXPECT_EQ(addressOf("::ffff:10.0.0.1").host(), "10.0.0.1");
    EXPECT_EQ(addressOf("2001:db8::1").host(), "2001:db8::1");
    EXPECT_TRUE(addressOf("::").isWildcard());
    EXPECT_FALSE(addressOf("127.0.0.1").isWildcard());
}

TEST(KmsConnections, ForgetsThoseThatEnded) {
    Connections connections({.connections = 2, .perAddress = 2});
    const auto now = Clock::now();
    int pair[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    UniqueFd one(pair[0]);
    const UniqueFd end(pair[1]);
    UniqueFd two(::socket(AF_INET, SOCK_STREAM, 0));
    const UniqueFd three(::socket(AF_INET, SOCK_STREAM, 0));
    EXPECT_EQ(connections.admit(one.get(), "a", now), Verdict::Admitted);
    EXPECT_EQ(connections.admit(two.get(), "a", now), Verdict::Admitted);
    EXPECT_EQ(connections.admit(three.get(), "a", now), Verdict::AddressIsFull);
    EXPECT_EQ(connections.admit(three.get(), "b", now + 1s), Verdict::ServerIsFull);
    // Another socket with the same number is not the same.
    const int number = two.get();
    two.reset();
    two.reset(::socket(AF_INET, SOCK_STREAM, 0));
    ASSERT_EQ(two.get(), number);
    EXPECT_EQ(connections.admit(three.get(), "a", now + 1s), Verdict::Admitted);
    EXPECT_EQ(connections.admit(two.get(), "b", now + 3s), Verdict::Admitted);
    char byte = 0;
    EXPECT_EQ(::recv(end.get(), &byte, 1, MSG_DONTWAIT), 0) << "the oldest was not ended";
}

}  // namespace
}  // namespace volumecrypt::test
