// SPDX-License-Identifier: Apache-2.0
// Device-mapper mappings of LUKS2 volumes: activate, look at, deactivate.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "base/result.h"
#include "base/secret_buffer.h"
#include "luks/header_copy.h"
#include "model/volume_spec.h"

namespace volumecrypt::luks {

struct MappingInfo {
    dev_t backingDevice = 0;  // of the crypt target's table
    std::string uuid;  // LUKS UUID out of the DM UUID; empty when it is not a LUKS2 mapping of
                       // libcryptsetup
    bool isCrypt = false;
    bool inUse = false;  // open count is not 0
};

// Empty when there is no mapping of that name. Io.
base::Result<std::optional<MappingInfo>> findMapping(const std::string &name);

struct ActivationOptions {
    bool allowDiscards = false;
    std::vector<model::PerformanceOption> performance;
};

// libcryptsetup's flags for them; those in the header count for nothing.
std::uint32_t activationFlags(const ActivationOptions &options);

// From exactly that copy of the header, on `device`. Busy when the name is taken or the device is
// held by somebody else; KeyRejected when the volume key is not the header's.
base::Status activate(const HeaderCopy &copy, const std::string &device, const std::string &name,
                      const base::SecretBuffer &volumeKey, const ActivationOptions &options);

// Absent is success. Busy when in use, at once, unless `deferred`: then it goes when its last user
// goes.
base::Status deactivate(const std::string &name, bool deferred);

// Grows the mapping to the device's size.
base::Status resize(const std::string &name, const HeaderCopy &copy, const std::string &device,
                    const base::SecretBuffer &volumeKey);

}  // namespace volumecrypt::luks
