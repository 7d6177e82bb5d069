// SPDX-License-Identifier: Apache-2.0
// Which connections there are, and which may come.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "kms_server/listener.h"

namespace volumecrypt::kms_server {

struct Limits {
    std::size_t connections = 1024;
    std::size_t perAddress = 128;  // see Address::owner
};

// The sockets themselves belong to gRPC, which closes them without a word: a connection has ended
// when its descriptor is no longer the same socket. Nothing here keeps one open.
class Connections {
  public:
    using Clock = std::chrono::steady_clock;
    enum class Verdict { Admitted, AddressIsFull, ServerIsFull };

    explicit Connections(Limits limits) : limits_(limits) {}

    // Remembers a connection that was just accepted, unless there are too many: then the oldest one
    // (of the same address, or of all) gives way when it had its time, and the new one is not
    // admitted otherwise. A call takes milliseconds: what is left open is not in use.
    Verdict admit(int fd, const std::string &owner, Clock::time_point now);

  private:
    struct Connection {
        int fd;
        std::uint64_t cookie;  // the kernel's name of the socket, which it gives only once
        std::string owner;
        Clock::time_point since;
    };

    void forgetEnded();
    // False when even the oldest one is too young. All owners when it is empty.
    bool endOldest(const std::string &owner, Clock::time_point now);

    Limits limits_;
    std::vector<Connection> connections_;  // oldest first
};

}  // namespace volumecrypt::kms_server
