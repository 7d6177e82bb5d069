// SPDX-License-Identifier: Apache-2.0
// The salt in STATE that keys with `lockToState` end with: who has the volume without the STATE
// that belongs to it cannot open it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/result.h"
#include "base/secret_buffer.h"

namespace volumecrypt::keys {

inline constexpr std::size_t kSaltSize = 32;
inline constexpr const char *kSaltFile = "encryption-salt.yaml";

// The text of the salt file, and back. Any YAML list of decimal numbers under `diskSalt` is
// understood; HeaderCorrupt when it is not one of 32 bytes, or all zero.
base::SecretBuffer saltText(const base::SecretBuffer &salt);
base::Result<base::SecretBuffer> parseSalt(std::string_view text);

// Where STATE is to be found.
struct StatePlace {
    std::string where;  // its mount point, below --root when there is one
    // The device that has to be mounted there, or the salt would go into the directory below.
    // Empty with --root: the tree is somebody's image or a test, and luks2-STATE, if there is one,
    // is the running system's.
    std::string source;
};

// SaltUnavailable, worth retrying, unless STATE is mounted in its place.
base::Status checkStateMounted(const StatePlace &place);

class StateSalt {
  public:
    // Without a place (STATE is not validly declared) there is no salt. A missing file is made
    // unless `readOnly`.
    StateSalt(std::optional<StatePlace> place, bool readOnly)
        : place_(std::move(place)), readOnly_(readOnly) {}

    // Looked for once. SaltUnavailable.
    base::Result<const base::SecretBuffer *> bytes();
    // SHA-256; empty when there is no salt.
    std::string digest();

  private:
    base::Result<base::SecretBuffer> load() const;

    std::optional<StatePlace> place_;
    bool readOnly_;
    std::optional<base::SecretBuffer> salt_;
    std::optional<base::Error> error_;
};

}  // namespace volumecrypt::keys
