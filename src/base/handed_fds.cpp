// SPDX-License-Identifier: Apache-2.0
// Passing file descriptors over a socket: unix(7), SCM_RIGHTS, in one message of one byte.
#include <array>
#include <cerrno>
#include <cstring>
#include <string>

#include <sys/socket.h>

#include "base/unique_fd.h"

namespace volumecrypt::base {
namespace {

constexpr std::size_t kMost = 4;

struct Control {
    alignas(cmsghdr) std::array<char, CMSG_SPACE(kMost * sizeof(int))> bytes{};
};

}  // namespace

Result<UniqueFd> handOver(const std::vector<UniqueFd> &fds) {
    if (fds.empty() || fds.size() > kMost)
        return fail(ErrorCode::Internal, "so many descriptors are not handed over");
    int pair[2] = {-1, -1};
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return fail(errnoError("make a socket", errno));
    const UniqueFd writing(pair[0]);
    UniqueFd reading(pair[1]);
    Control control;
    char byte = 0;
    iovec data{.iov_base = &byte, .iov_len = 1};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control.bytes.data();
    message.msg_controllen = CMSG_SPACE(fds.size() * sizeof(int));
    cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
    std::vector<int> numbers;
    for (const UniqueFd &fd : fds) numbers.push_back(fd.get());
    std::memcpy(CMSG_DATA(header), numbers.data(), numbers.size() * sizeof(int));
    if (::sendmsg(writing.get(), &message, MSG_NOSIGNAL) < 0)
        return fail(errnoError("hand descriptors over", errno));
    return reading;
}

Result<std::vector<UniqueFd>> takeOver(int socket, std::size_t count) {
    Control control;
    char byte = 0;
    iovec data{.iov_base = &byte, .iov_len = 1};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control.bytes.data();
    message.msg_controllen = control.bytes.size();
    if (::recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT) < 0)
        return fail(errnoError("take descriptors over", errno));
    std::vector<UniqueFd> fds;
    for (cmsghdr *header = CMSG_FIRSTHDR(&message); header != nullptr;
         header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        std::vector<int> numbers((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        std::memcpy(numbers.data(), CMSG_DATA(header), numbers.size() * sizeof(int));
        for (const int number : numbers) fds.emplace_back(number);
    }
    if (fds.size() != count || (message.msg_flags & MSG_CTRUNC) != 0)
        return fail(ErrorCode::Io, "not the " + std::to_string(count) +
                                       " descriptors that were to be handed over");
    return fds;
}

}  // namespace volumecrypt::base
