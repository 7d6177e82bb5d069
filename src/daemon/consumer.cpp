// SPDX-License-Identifier: Apache-2.0
// The same rule as the generator's.
#include "daemon/consumer.h"

#include "model/names.h"

namespace volumecrypt::daemon {

std::string consumerUnit(const model::VolumeSpec &spec) {
    using model::FilesystemType;
    if (spec.filesystem.type == FilesystemType::Swap)
        return model::escapeUnitPath(spec.contentDevice()) + ".swap";
    if (!spec.mount || spec.filesystem.type == FilesystemType::None) return {};
    return model::mountUnit(spec.mount->where);
}

}  // namespace volumecrypt::daemon
