// SPDX-License-Identifier: Apache-2.0
// Counts connections, whose sockets are told apart by their cookies.
#include "kms_server/connections.h"

#include <algorithm>

#include <sys/socket.h>

#include <fcntl.h>

#include "base/unique_fd.h"

namespace volumecrypt::kms_server {
namespace {

using namespace std::chrono_literals;

// For the handshake and the call of a machine that is slow.
constexpr auto kOwnTime = 2s;

// Zero when it is no socket.
std::uint64_t cookieOf(int fd) {
    std::uint64_t cookie = 0;
    socklen_t size = sizeof cookie;
    return ::getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size) == 0 ? cookie : 0;
}

}  // namespace

void Connections::forgetEnded() {
    std::erase_if(connections_,
                  [](const Connection &one) { return cookieOf(one.fd) != one.cookie; });
}

bool Connections::endOldest(const std::string &owner, Clock::time_point now) {
    const auto oldest = std::ranges::find_if(connections_, [&owner](const Connection &one) {
        return owner.empty() || one.owner == owner;
    });
    if (oldest == connections_.end() || now - oldest->since < kOwnTime) return false;
    // A descriptor of our own, which cannot become another socket between the look and the end.
    const base::UniqueFd same(::fcntl(oldest->fd, F_DUPFD_CLOEXEC, 0));
    if (same.valid() && cookieOf(same.get()) == oldest->cookie)
        (void)::shutdown(same.get(), SHUT_RDWR);
    connections_.erase(oldest);
    return true;
}

Connections::Verdict Connections::admit(int fd, const std::string &owner, Clock::time_point now) {
    forgetEnded();
    const auto ofOwner = static_cast<std::size_t>(std::ranges::count_if(
        connections_, [&owner](const Connection &one) { return one.owner == owner; }));
    if (ofOwner >= limits_.perAddress && !endOldest(owner, now)) return Verdict::AddressIsFull;
    if (connections_.size() >= limits_.connections && !endOldest({}, now))
        return Verdict::ServerIsFull;
    connections_.push_back({.fd = fd, .cookie = cookieOf(fd), .owner = owner, .since = now});
    return Verdict::Admitted;
}

}  // namespace volumecrypt::kms_server
