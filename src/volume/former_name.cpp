// SPDX-License-Identifier: Apache-2.0
// The rules by which a former name is believed.
#include "volume/former_name.h"

#include <algorithm>

namespace volumecrypt::volume {
namespace {

bool isGiven(const model::VolumeId &id) {
    switch (id.kind()) {
        case model::VolumeKind::User:
        case model::VolumeKind::Raw:
        case model::VolumeKind::Swap:
            return true;
        case model::VolumeKind::State:
        case model::VolumeKind::Ephemeral:
        case model::VolumeKind::System:
            break;
    }
    return false;
}

// An error that belongs to no volume may be that of its document.
bool isDeclared(const config::Configuration &configuration, const model::VolumeId &id) {
    if (configuration.find(id) != nullptr) return true;
    return std::ranges::any_of(configuration.problems, [&](const config::Problem &problem) {
        return problem.level == config::Level::Error &&
               (problem.volume.empty() || problem.volume == id.text());
    });
}

}  // namespace

std::optional<model::VolumeId> formerName(const Session &session, const model::Record &record) {
    if (record.volume == session.id().text() || record.phase != model::Phase::Ready)
        return std::nullopt;
    auto name = model::VolumeId::parse(record.volume);
    if (!name || !isGiven(*name) || !isGiven(session.id())) return std::nullopt;
    if (isDeclared(session.configuration(), *name)) return std::nullopt;
    return *name;
}

}  // namespace volumecrypt::volume
