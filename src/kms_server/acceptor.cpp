// SPDX-License-Identifier: Apache-2.0
// Accepts connections: accept4 in a loop of poll.
#include "kms_server/acceptor.h"

#include <cerrno>
#include <cstdint>
#include <utility>
#include <vector>

#include <sys/eventfd.h>

#include <poll.h>
#include <unistd.h>

#include "base/journal.h"

namespace volumecrypt::kms_server {
namespace {

using namespace std::chrono_literals;
using Clock = Connections::Clock;

// When the process or the system has run out of something: others end meanwhile.
constexpr auto kPause = 100ms;
constexpr auto kWarningInterval = 1min;

bool isShortage(int error) {
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

}  // namespace

Acceptor::Acceptor(Listener listener, Limits limits, Receiver receiver)
    : listener_(std::move(listener)),
      receiver_(std::move(receiver)),
      connections_(limits),
      stop_(::eventfd(0, EFD_CLOEXEC)),
      thread_([this] { run(); }) {}

Acceptor::~Acceptor() {
    const std::uint64_t one = 1;
    (void)!::write(stop_.get(), &one, sizeof one);
    thread_.join();
}

void Acceptor::expect(const std::optional<Address> &address) {
    const std::lock_guard lock(mutex_);
    expected_ = address;
}

bool Acceptor::isExpected(const Address &peer) {
    const std::lock_guard lock(mutex_);
    return expected_ && expected_->port() == peer.port() && expected_->host() == peer.host();
}

void Acceptor::warn(const Address &peer, Connections::Verdict verdict) {
    ++refused_;
    const auto now = Clock::now();
    if (warned_ && now - *warned_ < kWarningInterval) return;
    warned_ = now;
    base::log(base::Severity::Warning,
              "refused " + std::to_string(std::exchange(refused_, 0)) +
                  " connections since the last warning; the last one from " + peer.host() + ", " +
                  (verdict == Connections::Verdict::AddressIsFull
                       ? "which has as many as an address may have (--max-per-address)"
                       : "when there were as many as there may be (--max-connections)"));
}

bool Acceptor::acceptFrom(int socket) {
    Address peer;
    base::UniqueFd fd(::accept4(socket, peer.get(), &peer.size, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!fd.valid()) {
        const int error = errno;
        if (isShortage(error)) std::this_thread::sleep_for(kPause);
        return error == ECONNABORTED || error == EINTR;
    }
    const auto verdict = isExpected(peer)
                             ? Connections::Verdict::Admitted
                             : connections_.admit(fd.get(), peer.owner(), Clock::now());
    if (verdict == Connections::Verdict::Admitted)
        receiver_(std::move(fd), socket);
    else
        warn(peer, verdict);
    return true;
}

void Acceptor::run() {
    std::vector<pollfd> waiting{{.fd = stop_.get(), .events = POLLIN, .revents = 0}};
    for (const base::UniqueFd &socket : listener_.sockets)
        waiting.push_back({.fd = socket.get(), .events = POLLIN, .revents = 0});
    while (waiting.front().revents == 0) {
        if (::poll(waiting.data(), waiting.size(), -1) < 0) continue;
        for (std::size_t i = 1; i < waiting.size(); ++i) {
            // Not for ever from one of them.
            constexpr int kAtOnce = 64;
            for (int n = 0; waiting[i].revents != 0 && n < kAtOnce; ++n)
                if (!acceptFrom(waiting[i].fd)) break;
        }
    }
}

}  // namespace volumecrypt::kms_server
