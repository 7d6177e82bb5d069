// SPDX-License-Identifier: Apache-2.0
// The names of states, health values and plan actions.
#include "model/volume_state.h"

#include <array>
#include <utility>

namespace volumecrypt::model {
namespace {

constexpr std::array<std::pair<VolumeState, std::string_view>, 8> kStates{{
    {VolumeState::Absent, "absent"},
    {VolumeState::Blank, "blank"},
    {VolumeState::Plain, "plain"},
    {VolumeState::Foreign, "foreign"},
    {VolumeState::Locked, "locked"},
    {VolumeState::Unlocked, "unlocked"},
    {VolumeState::Reencrypting, "reencrypting"},
    {VolumeState::Failed, "failed"},
}};

}  // namespace

std::string_view stateName(VolumeState state) {
    for (const auto &[value, name] : kStates)
        if (value == state) return name;
    return "failed";
}

std::optional<VolumeState> stateFromName(std::string_view name) {
    for (const auto &[value, text] : kStates)
        if (text == name) return value;
    return std::nullopt;
}

std::string_view healthName(SlotHealth health) {
    switch (health) {
        case SlotHealth::Ok:
            return "ok";
        case SlotHealth::Unverified:
            return "unverified";
        case SlotHealth::Stale:
            return "stale";
        case SlotHealth::Missing:
            return "missing";
        case SlotHealth::Unavailable:
            return "unavailable";
    }
    return "unverified";
}

std::string_view actionName(StepAction action) {
    switch (action) {
        case StepAction::Keep:
            return "keep";
        case StepAction::Add:
            return "add";
        case StepAction::Replace:
            return "replace";
        case StepAction::Remove:
            return "remove";
        case StepAction::Adopt:
            return "adopt";
        case StepAction::Defer:
            return "defer";
        case StepAction::Refuse:
            return "refuse";
    }
    return "refuse";
}

}  // namespace volumecrypt::model
