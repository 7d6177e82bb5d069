// SPDX-License-Identifier: Apache-2.0
// The listening sockets, and what addresses of peers mean to their limits.
#pragma once

#include <string>
#include <vector>

#include <sys/socket.h>

#include "base/result.h"
#include "base/unique_fd.h"

namespace volumecrypt::kms_server {

struct Address {
    sockaddr_storage storage{};
    socklen_t size = sizeof(sockaddr_storage);

    [[nodiscard]] sockaddr *get() { return reinterpret_cast<sockaddr *>(&storage); }
    [[nodiscard]] const sockaddr *get() const {
        return reinterpret_cast<const sockaddr *>(&storage);
    }
    [[nodiscard]] unsigned port() const;
    void setPort(unsigned port);
    // Without the port: "10.0.0.1", "fe80::1%eth0"; an IPv4 address also where it comes in an IPv6
    // one.
    [[nodiscard]] std::string host() const;
    // Who is counted as one: an IPv4 address, or the 64 bits of an IPv6 one that a network gives
    // out at once.
    [[nodiscard]] std::string owner() const;
    // All of them: an address of every interface of the machine.
    [[nodiscard]] bool isWildcard() const;
};

struct Listener {
    std::vector<base::UniqueFd> sockets;
    std::string name;  // "HOST:PORT" with the port that it really has
};

// `text` is HOST:PORT or [ADDRESS]:PORT; port 0 takes a free one. InvalidConfig, Io.
base::Result<Listener> listenAt(const std::string &text);

// Of a socket. Io.
base::Result<Address> ownAddress(int socket);

}  // namespace volumecrypt::kms_server
