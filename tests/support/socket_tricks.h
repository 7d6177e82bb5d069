// SPDX-License-Identifier: Apache-2.0
// TCP ports on 127.0.0.1 behind which something is wrong.
#pragma once

#include <cstddef>
#include <string>
#include <thread>
#include <vector>

namespace volumecrypt::test {

// A port at which nobody listens.
unsigned unusedPort();

// Connections that get no answer: Silent accepts and says nothing, Full does not even accept.
class BlackHole {
  public:
    enum class Kind { Silent, Full };
    explicit BlackHole(Kind kind);
    BlackHole(const BlackHole &) = delete;
    BlackHole &operator=(const BlackHole &) = delete;
    BlackHole(BlackHole &&) = delete;
    BlackHole &operator=(BlackHole &&) = delete;
    ~BlackHole();
    [[nodiscard]] unsigned port() const { return port_; }

  private:
    unsigned port_ = 0;
    std::vector<int> sockets_;
};

// Says one thing to each who comes, once he has said something, and hangs up when he does.
class ScriptedServer {
  public:
    explicit ScriptedServer(std::string answer);
    ScriptedServer(const ScriptedServer &) = delete;
    ScriptedServer &operator=(const ScriptedServer &) = delete;
    ScriptedServer(ScriptedServer &&) = delete;
    ScriptedServer &operator=(ScriptedServer &&) = delete;
    ~ScriptedServer();
    [[nodiscard]] unsigned port() const { return port_; }
    // All that was said to it; after the others have hung up.
    std::string heard();

  private:
    void serve();
    void end();

    std::string answer_;
    std::string heard_;
    unsigned port_ = 0;
    int socket_ = -1;
    int wake_[2] = {-1, -1};
    std::thread thread_;
};

// Relays to another port, and hangs up when `limit` bytes have come back from there.
class CuttingRelay {
  public:
    CuttingRelay(unsigned target, std::size_t limit);
    CuttingRelay(const CuttingRelay &) = delete;
    CuttingRelay &operator=(const CuttingRelay &) = delete;
    CuttingRelay(CuttingRelay &&) = delete;
    CuttingRelay &operator=(CuttingRelay &&) = delete;
    ~CuttingRelay();
    [[nodiscard]] unsigned port() const { return port_; }

  private:
    void serve();
    void relay(int client);

    unsigned target_;
    std::size_t limit_;
    unsigned port_ = 0;
    int socket_ = -1;
    int wake_[2] = {-1, -1};
    std::thread thread_;
};

}  // namespace volumecrypt::test
