// SPDX-License-Identifier: Apache-2.0
// Finds STATE's mount point by its declaration, and what has to be mounted there.
#include <unistd.h>

#include "model/names.h"
#include "volume/state_meta.h"

namespace volumecrypt::volume {
namespace {

// Declared without encryption it may still be encrypted, by META's word.
std::string sourceOf(const model::VolumeSpec &state) {
    const std::string mapping = model::mappingPath(state.id);
    if (state.encryption || ::access(mapping.c_str(), F_OK) == 0) return mapping;
    return state.device.path;
}

}  // namespace

std::optional<keys::StatePlace> statePlace(const Session &session) {
    const model::VolumeSpec *state = session.stateSpec();
    if (state == nullptr || !state->mount) return std::nullopt;
    const model::SystemPaths &paths = session.options().paths;
    return keys::StatePlace{.where = paths.below(state->mount->where),
                            .source = paths.hasRoot() ? std::string() : sourceOf(*state)};
}

}  // namespace volumecrypt::volume
