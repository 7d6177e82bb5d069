// SPDX-License-Identifier: Apache-2.0
// What inspect found, for people: in a rescue shell there is nothing else that shows key slots as
// ours.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "model/volume_id.h"
#include "model/volume_state.h"

namespace volumecrypt::engine {

// Of the members of inspect's result; several lines, without a newline at the end.
std::string inspectionText(const model::VolumeId &id, model::VolumeState state,
                           const nlohmann::json &found);

}  // namespace volumecrypt::engine
