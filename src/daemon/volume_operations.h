// SPDX-License-Identifier: Apache-2.0
// The operations on one volume that are one engine verb each.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/unique_fd.h"
#include "daemon/authorized.h"
#include "daemon/engine_jobs.h"

namespace volumecrypt::daemon {

struct SyncOptions {
    bool verify = false;  // open every slot
    bool adopt = false;   // a volume of another machine is this one's from now on
};

class VolumeOperations {
  public:
    using Steps = std::vector<StepText>;
    using Planned = std::function<void(base::Result<Steps>)>;
    using SlotAdded = std::function<void(base::Result<unsigned>)>;
    using Finished = std::function<void(base::Status)>;

    VolumeOperations(EngineJobs &engines, Inspector &inspector)
        : engines_(engines), inspector_(inspector) {}

    struct AddedKey {
        std::string kind;  // passphrase, recovery
        base::UniqueFd secret;
        base::UniqueFd unlockSecret;  // one that opens the volume; invalid: only the declared keys
    };

    void plan(const Authorized<action::ManageKeys> &proof, const VolumePointer &volume,
              Planned planned);
    base::Result<JobPointer> sync(const Authorized<action::ManageKeys> &proof,
                                  const VolumePointer &volume, SyncOptions how,
                                  base::UniqueFd secret);
    base::Result<JobPointer> grow(const Authorized<action::Grow> &proof,
                                  const VolumePointer &volume, base::UniqueFd secret);
    base::Result<JobPointer> format(const Authorized<action::Format> &proof,
                                    const VolumePointer &volume, bool force);
    void addKey(const Authorized<action::ManageKeys> &proof, const VolumePointer &volume,
                AddedKey key, const SlotAdded &added);
    void removeKey(const Authorized<action::ManageKeys> &proof, const VolumePointer &volume,
                   unsigned slot, const Finished &finished);
    base::Result<JobPointer> rotateKey(const Authorized<action::ManageKeys> &proof,
                                       const VolumePointer &volume, unsigned slot);
    base::Result<JobPointer> erase(const Authorized<action::Erase> &proof,
                                   const VolumePointer &volume);
    base::Result<JobPointer> wipe(const Authorized<action::Erase> &proof,
                                  const VolumePointer &volume);
    base::Result<JobPointer> forget(const Authorized<action::Erase> &proof,
                                    const VolumePointer &volume);

  private:
    EngineJobs &engines_;
    Inspector &inspector_;
};

}  // namespace volumecrypt::daemon
