// SPDX-License-Identifier: Apache-2.0
// Accepts connections, as many as there may be, and hands them on.
#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "base/result.h"
#include "base/unique_fd.h"
#include "kms_server/connections.h"
#include "kms_server/listener.h"

namespace volumecrypt::kms_server {

// gRPC would accept until the process has no descriptor left, and then no more for ever. This does
// it in its place, in a thread of its own from construction to destruction.
class Acceptor {
  public:
    // The socket accepted, and the one that it came from.
    using Receiver = std::function<void(base::UniqueFd connection, int listener)>;

    Acceptor(Listener listener, Limits limits, Receiver receiver);
    Acceptor(const Acceptor &) = delete;
    Acceptor &operator=(const Acceptor &) = delete;
    Acceptor(Acceptor &&) = delete;
    Acceptor &operator=(Acceptor &&) = delete;
    ~Acceptor();

    [[nodiscard]] const Listener &listener() const { return listener_; }
    // The limits do not hold for a connection that comes from there: the self-check's.
    void expect(const std::optional<Address> &address);

  private:
    void run();
    // False when there is nothing to accept, or nothing to accept it with.
    bool acceptFrom(int socket);
    bool isExpected(const Address &peer);
    void warn(const Address &peer, Connections::Verdict verdict);

    Listener listener_;
    Receiver receiver_;
    Connections connections_;
    base::UniqueFd stop_;
    std::mutex mutex_;
    std::optional<Address> expected_;
    std::optional<Connections::Clock::time_point> warned_;
    std::size_t refused_ = 0;
    std::thread thread_;
};

// Connects to the server's own listening sockets over the network, as anybody does, and waits for
// the first bytes of an answer: a TLS handshake, or the beginning of HTTP/2. Io says what did not
// happen. An address that cannot be reached from here says nothing of the server: then it is fine.
base::Status checkSelf(Acceptor &acceptor, bool tls);

}  // namespace volumecrypt::kms_server
