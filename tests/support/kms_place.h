// SPDX-License-Identifier: Apache-2.0
// A small site with a KMS: certificates, servers that run until the object is gone, and calls of
// the real client program.
#pragma once

#include <string>
#include <vector>

#include <sys/types.h>

#include "base/kms_message.h"
#include "base/result.h"
#include "base/secret_buffer.h"
#include "support/temp_dir.h"

namespace volumecrypt::test {

inline constexpr const char *kNode = "123e4567-e89b-12d3-a456-426614174000";

// PEM files made by openssl(1).
struct Identity {
    std::string certificate;
    std::string key;
};
class Authority {
  public:
    Authority(const TempDir &directory, const std::string &name);
    [[nodiscard]] const std::string &certificate() const { return certificate_; }
    // `names` as in subjectAltName: "DNS:localhost,IP:127.0.0.1". Expired with days < 0.
    [[nodiscard]] Identity issue(const std::string &name, const std::string &names,
                                 int days = 2) const;

  private:
    const TempDir &directory_;
    std::string certificate_;
    std::string key_;
};

// A program that prints "listening on HOST:PORT" and serves until it is told to end.
class ServerProcess {
  public:
    explicit ServerProcess(std::vector<std::string> argv);
    ServerProcess(const ServerProcess &) = delete;
    ServerProcess &operator=(const ServerProcess &) = delete;
    ServerProcess(ServerProcess &&) = delete;
    ServerProcess &operator=(ServerProcess &&) = delete;
    ~ServerProcess() { stop(); }

    // 0 when it ended before it listened.
    [[nodiscard]] unsigned port() const { return port_; }
    [[nodiscard]] pid_t pid() const { return pid_; }
    [[nodiscard]] std::string at(const std::string &host) const {
        return host + ":" + std::to_string(port_);
    }
    // Ends it; its exit code.
    int stop();
    // Everything that it wrote on stderr; after stop.
    [[nodiscard]] std::string log() const;

  private:
    pid_t pid_ = -1;
    int log_ = -1;
    unsigned port_ = 0;
};

// The real server, on a free port of 127.0.0.1.
std::vector<std::string> kmsServer(std::vector<std::string> options);
// The badly behaved one of kms_fault_server.cpp.
std::vector<std::string> faultServer(const std::string &mode);

// A call of the real volumecrypt-kms.
base::Result<base::SecretBuffer> askKms(const base::KmsRequest &request,
                                        std::vector<std::string> environment = {});
base::KmsRequest sealRequest(const std::string &endpoint);
base::KmsRequest unsealRequest(const std::string &endpoint, const base::SecretBuffer &sealed);

// 00 01 02 … 1f.
base::SecretBuffer countingBytes();

}  // namespace volumecrypt::test
