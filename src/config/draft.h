// SPDX-License-Identifier: Apache-2.0
// A volume as one document declares it, before the rules between documents are applied.
#pragma once

#include <chrono>
#include <optional>
#include <utility>
#include <vector>

#include "model/volume_spec.h"

namespace volumecrypt::config {

struct Draft {
    model::VolumeSpec spec;
    bool valid = true;
    // Of the values; of the document where they are defaults.
    model::SourcePosition device;
    model::SourcePosition meta;
    model::SourcePosition where;
    std::optional<bool> trimEnabled;
    std::optional<std::chrono::seconds> trimInterval;
    model::SourcePosition trim;
    std::vector<model::SourcePosition> lockedToState;  // every `lockToState: true`

    explicit Draft(model::VolumeId id) : spec(std::move(id)) {}
};

}  // namespace volumecrypt::config
