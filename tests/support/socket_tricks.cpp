// SPDX-License-Identifier: Apache-2.0
// Listening sockets, and threads that end when their object does.
#include "support/socket_tricks.h"

#include <algorithm>
#include <cstdlib>
#include <tuple>
#include <utility>

#include <sys/socket.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <unistd.h>

namespace volumecrypt::test {
namespace {

sockaddr_in localAddress(unsigned port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

int newSocket(int flags = 0) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
    if (fd < 0) std::abort();
    return fd;
}

int connectTo(unsigned port, int flags = 0) {
    const int fd = newSocket(flags);
    const sockaddr_in address = localAddress(port);
    (void)::connect(fd, reinterpret_cast<const sockaddr *>(&address), sizeof address);
    return fd;
}

std::pair<int, unsigned> listenLocally(int backlog) {
    const int fd = newSocket();
    sockaddr_in address = localAddress(0);
    socklen_t size = sizeof address;
    if (::bind(fd, reinterpret_cast<sockaddr *>(&address), size) < 0 || ::listen(fd, backlog) < 0 ||
        ::getsockname(fd, reinterpret_cast<sockaddr *>(&address), &size) < 0)
        std::abort();
    return {fd, ntohs(address.sin_port)};
}

// False when the other end of `wake` was closed first.
bool awaitInput(int fd, int wake) {
    pollfd waiting[] = {{.fd = fd, .events = POLLIN, .revents = 0},
                        {.fd = wake, .events = POLLIN, .revents = 0}};
    return ::poll(waiting, 2, -1) > 0 && waiting[1].revents == 0;
}

}  // namespace

unsigned unusedPort() {
    const auto [fd, port] = listenLocally(1);
    ::close(fd);
    return port;
}

BlackHole::BlackHole(Kind kind) {
    const auto [fd, port] = listenLocally(kind == Kind::Full ? 0 : 64);
    port_ = port;
    sockets_.push_back(fd);
    if (kind == Kind::Silent) return;
    // The queue of a listener that never accepts is full after the first ones.
    for (int i = 0; i < 4; ++i) sockets_.push_back(connectTo(port, SOCK_NONBLOCK));
    ::usleep(50'000);
}

BlackHole::~BlackHole() {
    for (const int fd : sockets_) ::close(fd);
}

ScriptedServer::ScriptedServer(std::string answer) : answer_(std::move(answer)) {
    std::tie(socket_, port_) = listenLocally(16);
    if (::pipe2(wake_, O_CLOEXEC) < 0) std::abort();
    thread_ = std::thread([this] { serve(); });
}

void ScriptedServer::serve() {
    while (awaitInput(socket_, wake_[0])) {
        const int client = ::accept4(socket_, nullptr, nullptr, SOCK_CLOEXEC);
        bool answered = false;
        char chunk[4096];
        while (awaitInput(client, wake_[0])) {
            const ssize_t got = ::read(client, chunk, sizeof chunk);
            if (got <= 0) break;
            heard_.append(chunk, static_cast<std::size_t>(got));
            if (!std::exchange(answered, true))
                (void)!::write(client, answer_.data(), answer_.size());
        }
        ::close(client);
    }
}

std::string ScriptedServer::heard() {
    end();
    return heard_;
}

void ScriptedServer::end() {
    if (!thread_.joinable()) return;
    ::close(wake_[1]);
    thread_.join();
}

ScriptedServer::~ScriptedServer() {
    end();
    ::close(wake_[0]);
    ::close(socket_);
}

CuttingRelay::CuttingRelay(unsigned target, std::size_t limit) : target_(target), limit_(limit) {
    std::tie(socket_, port_) = listenLocally(16);
    if (::pipe2(wake_, O_CLOEXEC) < 0) std::abort();
    thread_ = std::thread([this] { serve(); });
}

void CuttingRelay::serve() {
    while (awaitInput(socket_, wake_[0])) {
        const int client = ::accept4(socket_, nullptr, nullptr, SOCK_CLOEXEC);
        relay(client);
        ::close(client);
    }
}

void CuttingRelay::relay(int client) {
    const int server = connectTo(target_);
    std::size_t left = limit_;
    char chunk[4096];
    while (true) {
        pollfd waiting[] = {{.fd = client, .events = POLLIN, .revents = 0},
                            {.fd = server, .events = POLLIN, .revents = 0},
                            {.fd = wake_[0], .events = POLLIN, .revents = 0}};
        if (::poll(waiting, 3, -1) <= 0 || waiting[2].revents != 0) break;
        const bool back = waiting[1].revents != 0;
        const ssize_t got = ::read(back ? server : client, chunk, sizeof chunk);
        if (got <= 0) break;
        const std::size_t size =
            back ? std::min(left, static_cast<std::size_t>(got)) : static_cast<std::size_t>(got);
        (void)!::write(back ? client : server, chunk, size);
        if (back && (left -= size) == 0) break;
    }
    ::close(server);
}

CuttingRelay::~CuttingRelay() {
    ::close(wake_[1]);
    thread_.join();
    ::close(wake_[0]);
    ::close(socket_);
}

}  // namespace volumecrypt::test
