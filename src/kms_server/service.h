// SPDX-License-Identifier: Apache-2.0
// The KMS itself: gRPC in front of the keys.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "kms_server/key_store.h"
#include "kms_server/options.h"

namespace volumecrypt::kms_server {

// Serves from construction to destruction, in threads of its own. Every request leaves a line in
// the journal: who asked for what, and what became of it.
class Service {
  public:
    // InvalidConfig, Io.
    static base::Result<std::unique_ptr<Service>> start(const Options &options, KeyStore keys);
    Service() = default;
    Service(const Service &) = delete;
    Service &operator=(const Service &) = delete;
    Service(Service &&) = delete;
    Service &operator=(Service &&) = delete;
    virtual ~Service() = default;

    // "host:port" with the port that it really has.
    [[nodiscard]] virtual std::string address() const = 0;
    // Whether those who connect are answered: see checkSelf.
    virtual base::Status check() = 0;
};

}  // namespace volumecrypt::kms_server
