// SPDX-License-Identifier: Apache-2.0
// What is known of a volume: its state, the health of a slot, the actions of a plan; with their
// names in JSON and D-Bus.
#pragma once

#include <optional>
#include <string_view>

namespace volumecrypt::model {

// absent: no device. blank: nothing on it. plain: an unencrypted file system, as declared. foreign:
// content that we do not recognise as this volume. locked, unlocked: LUKS2 without and with a
// mapping. failed: the state could not be found out.
enum class VolumeState { Absent, Blank, Plain, Foreign, Locked, Unlocked, Reencrypting, Failed };
std::string_view stateName(VolumeState state);
std::optional<VolumeState> stateFromName(std::string_view name);
// Whether its content can be read now. Of one that is being reencrypted the state does not tell
// that: whether it is mapped does.
constexpr bool isOpen(VolumeState state, bool mapped = false) {
    return state == VolumeState::Unlocked || (state == VolumeState::Reencrypting && mapped);
}

enum class SlotHealth { Ok, Unverified, Stale, Missing, Unavailable };
std::string_view healthName(SlotHealth health);

enum class StepAction { Keep, Add, Replace, Remove, Adopt, Defer, Refuse };
std::string_view actionName(StepAction action);

}  // namespace volumecrypt::model
