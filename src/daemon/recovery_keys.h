// SPDX-License-Identifier: Apache-2.0
// Recovery keys that were handed out and are not enrolled yet: each waits until its caller proves,
// by typing it, that somebody wrote it down.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <utility>

#include "base/result.h"
#include "base/secret_buffer.h"
#include "base/unique_fd.h"
#include "daemon/authorized.h"
#include "daemon/secret_reader.h"
#include "model/volume_id.h"

namespace volumecrypt::daemon {

class RecoveryKeys {
  public:
    // How long a key waits.
    static constexpr std::chrono::minutes kPatience{15};

    using Taken = std::function<void(base::Result<base::UniqueFd>)>;

    explicit RecoveryKeys(EventLoop &loop) : reader_(loop) {}

    // A new key for this caller (a unique bus name) and volume, in a sealed memory file; one that
    // was made before is forgotten.
    base::Result<base::UniqueFd> make(const std::string &caller, const model::VolumeId &volume);
    // The key of this caller and volume, for the engine, when `typed` is that key. InvalidConfig
    // when none waits, KeyRejected when it is another one. `taken` is called once `typed` is read.
    void take(const Caller &caller, const model::VolumeId &volume, base::UniqueFd typed,
              Taken taken);
    // It opens the volume now, and waits no longer.
    void enrolled(const Caller &caller, const model::VolumeId &volume);
    void forget(const std::string &caller);

  private:
    using Clock = std::chrono::steady_clock;
    struct Waiting {
        base::SecretBuffer key;
        Clock::time_point since;
    };
    using Owner = std::pair<std::string, model::VolumeId>;
    void dropOld();
    base::Result<base::UniqueFd> taken(const Owner &owner, base::Result<base::SecretBuffer> typed);

    SecretReader reader_;
    std::map<Owner, Waiting> waiting_;
};

}  // namespace volumecrypt::daemon
