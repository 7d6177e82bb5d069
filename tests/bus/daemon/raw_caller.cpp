// SPDX-License-Identifier: Apache-2.0
// The D-Bus wire format, in little endian.
#include "raw_caller.h"

#include <array>
#include <cstdlib>
#include <cstring>
#include <stdexcept>

#include <sys/socket.h>
#include <sys/un.h>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

namespace volumecrypt::test {
namespace {

constexpr std::size_t kHeader = 16;
constexpr std::size_t kMostDescriptors = 64;

void align(std::string &bytes, std::size_t to) {
    bytes.append((to - bytes.size() % to) % to, '\0');
}

void put(std::string &bytes, std::uint32_t number) {
    align(bytes, 4);
    bytes.append(reinterpret_cast<const char *>(&number), sizeof number);
}

void put(std::string &bytes, const std::string &text) {
    put(bytes, static_cast<std::uint32_t>(text.size()));
    bytes += text;
    bytes += '\0';
}

void putField(std::string &fields, char code, char type, const std::string &text) {
    if (text.empty()) return;
    align(fields, 8);
    fields += {code, 1, type, 0};
    if (type != 'g') return put(fields, text);
    fields += static_cast<char>(text.size());
    fields += text;
    fields += '\0';
}

std::string headerOf(const RawMessage &message, std::uint32_t serial) {
    std::string fields;
    putField(fields, 1, 'o', message.path);
    putField(fields, 2, 's', message.interface);
    putField(fields, 3, 's', message.member);
    putField(fields, 6, 's', message.destination);
    putField(fields, 8, 'g', message.signature);
    if (message.descriptors > 0) {
        align(fields, 8);
        fields += {9, 1, 'u', 0};
        put(fields, message.descriptors);
    }
    std::string header{'l', static_cast<char>(message.type), static_cast<char>(message.flags), 1};
    put(header, static_cast<std::uint32_t>(message.body.size()));
    put(header, serial);
    put(header, static_cast<std::uint32_t>(fields.size()));
    header += fields;
    align(header, 8);
    return header;
}

}  // namespace

RawCaller::RawCaller() : socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const std::string bus = std::getenv("DBUS_SYSTEM_BUS_ADDRESS");
    const std::string path = bus.substr(bus.find('/'));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    if (::connect(socket_.get(), reinterpret_cast<const sockaddr *>(&address), sizeof address) != 0)
        throw std::runtime_error("connect");
    // No name: the bus asks the kernel.
    const std::string hello =
        std::string(1, '\0') + "AUTH EXTERNAL\r\nDATA\r\n" + "NEGOTIATE_UNIX_FD\r\nBEGIN\r\n";
    if (::send(socket_.get(), hello.data(), hello.size(), MSG_NOSIGNAL) < 0)
        throw std::runtime_error("authentication");
    while (!received_.ends_with("AGREE_UNIX_FD\r\n"))
        if (!receive(received_.size() + 1, 5000)) throw std::runtime_error("authentication");
    received_.clear();
    send({.path = "/org/freedesktop/DBus",
          .interface = "org.freedesktop.DBus",
          .member = "Hello",
          .destination = "org.freedesktop.DBus"});
    if (!readAnswer(5000)) throw std::runtime_error("Hello");
    answers_.clear();
}

void RawCaller::send(const RawMessage &message) {
    const std::string header = headerOf(message, ++serial_);
    const base::UniqueFd file(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    std::array<int, kMostDescriptors> files{};
    files.fill(file.get());
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof files)> control{};
    std::array<iovec, 2> parts{iovec{const_cast<char *>(header.data()), header.size()},
                               iovec{const_cast<char *>(message.body.data()), message.body.size()}};
    msghdr out{};
    if (message.descriptors > 0) {
        out.msg_control = control.data();
        out.msg_controllen = CMSG_SPACE(message.descriptors * sizeof(int));
        cmsghdr *attached = CMSG_FIRSTHDR(&out);
        attached->cmsg_level = SOL_SOCKET;
        attached->cmsg_type = SCM_RIGHTS;
        attached->cmsg_len = CMSG_LEN(message.descriptors * sizeof(int));
        std::memcpy(CMSG_DATA(attached), files.data(), message.descriptors * sizeof(int));
    }
    std::size_t done = 0;
    const std::size_t all = header.size() + message.body.size();
    while (done < all) {
        const std::size_t inBody = done < header.size() ? 0 : done - header.size();
        parts[0].iov_len = header.size() - std::min(done, header.size());
        parts[0].iov_base = const_cast<char *>(header.data() + header.size() - parts[0].iov_len);
        parts[1].iov_len = message.body.size() - inBody;
        parts[1].iov_base = const_cast<char *>(message.body.data() + inBody);
        out.msg_iov = parts.data();
        out.msg_iovlen = parts.size();
        const ssize_t sent = ::sendmsg(socket_.get(), &out, MSG_NOSIGNAL);
        if (sent < 0) throw std::runtime_error("the bus hung up");
        done += static_cast<std::size_t>(sent);
        out.msg_control = nullptr;
        out.msg_controllen = 0;
    }
}

bool RawCaller::receive(std::size_t bytes, int milliseconds) {
    while (received_.size() < bytes) {
        pollfd waiting{.fd = socket_.get(), .events = POLLIN, .revents = 0};
        if (::poll(&waiting, 1, milliseconds) <= 0) return false;
        std::array<char, 65536> part{};
        const ssize_t got =
            ::recv(socket_.get(), part.data(), std::min(part.size(), bytes - received_.size()), 0);
        if (got <= 0) return false;
        received_.append(part.data(), static_cast<std::size_t>(got));
    }
    return true;
}

std::uint32_t RawCaller::number(std::size_t at) const {
    std::uint32_t value = 0;
    std::memcpy(&value, received_.data() + at, sizeof value);
    return value;
}

bool RawCaller::readAnswer(int milliseconds) {
    for (;;) {
        if (!receive(kHeader, milliseconds)) return false;
        const std::size_t fields = (number(12) + 7) / 8 * 8;
        if (!receive(kHeader + fields + number(4), milliseconds)) return false;
        const char type = received_[1];
        std::string header = received_.substr(kHeader, fields);
        received_.clear();
        if (type != 2 && type != 3) continue;
        if (type == 2) {
            ++answers_["ok"];
            return true;
        }
        // The error's name is the field of code 4.
        const auto at = header.find(std::string("\4\1s\0", 4));
        ++answers_[at == std::string::npos ? "?" : header.c_str() + at + 8];
        return true;
    }
}

std::string RawCaller::strings(const std::vector<std::string> &texts) {
    std::string body;
    for (const auto &text : texts) put(body, text);
    return body;
}

std::string RawCaller::dictionary(std::size_t entries) {
    std::string body(8, '\0');
    for (std::size_t i = 0; i < entries; ++i) {
        align(body, 8);
        std::string name = std::to_string(i);
        put(body, name.insert(0, 8 - name.size(), '0'));
        body += {1, 'y', 0, 7};
    }
    const auto length = static_cast<std::uint32_t>(body.size() - 8);
    std::memcpy(body.data(), &length, sizeof length);
    return body;
}

std::string RawCaller::secretOption() {
    std::string body(8, '\0');
    put(body, "secret");
    body += {1, 'h', 0};
    put(body, 0U);
    const auto length = static_cast<std::uint32_t>(body.size() - 8);
    std::memcpy(body.data(), &length, sizeof length);
    return body;
}

}  // namespace volumecrypt::test
