// SPDX-License-Identifier: Apache-2.0
// The lines that an engine writes to its standard output, as values.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/error.h"
#include "base/result.h"
#include "model/volume_state.h"

namespace volumecrypt::daemon {

// The kind of steps that concern the volume itself, and no key slot.
inline constexpr const char *kVolumeStep = "volume";

// Their actions that are no step, but what somebody should know: of the configuration and of what
// was found, as in Volume.Warnings; and what could be done that Apply does not.
inline constexpr const char *kWarnStep = "warn";
inline constexpr const char *kNoteStep = "note";

// A step of a plan, in the words of the engine.
struct StepText {
    std::string action;
    unsigned slot = 0;
    std::string kind;
    std::string reason;

    friend bool operator==(const StepText &, const StepText &) = default;
};

struct SlotReport {
    unsigned slot = 0;
    std::string kind;
    bool managed = false;
    bool lockedToState = false;
    std::string health;

    friend bool operator==(const SlotReport &, const SlotReport &) = default;
};

// What an engine saw of the declared keys of slots that it tried, in the words of SlotReport's
// health.
using KeyHealths = std::map<unsigned, std::string>;

struct EngineProgress {
    std::uint64_t done = 0;
    std::uint64_t total = 0;
};

struct EngineWarning {
    std::string code;
    std::string message;
};

// The last line of an engine that did what it was asked. Members that its verb does not have are
// empty.
struct EngineResult {
    std::string verb;
    std::optional<model::VolumeState> state;
    bool changed = false;
    std::optional<unsigned> slot;            // add-key: the new slot
    std::optional<unsigned> unlockedBySlot;  // attach, sync: the slot whose key opened the volume
    std::optional<bool> pinned;              // inspect
    std::string device;
    std::string mapping;
    std::string uuid;
    std::string cipher;
    std::optional<std::vector<SlotReport>> slots;
    std::vector<StepText> steps;
    KeyHealths keys;
    std::vector<EngineWarning> warnings;  // all that were told before
    std::vector<std::string> notes;       // plan
};

// Appends a "warn" or a "note" of the volume itself, unless it is there.
void addFinding(std::vector<StepText> &steps, const char *action, const std::string &text);
// All that an engine's plan has of both.
void addFindings(std::vector<StepText> &steps, const EngineResult &planned);

// The last line of one that did not.
struct EngineFailure {
    base::Error error;
    KeyHealths keys;
};

// A line that is none of ours, or of a type that a later version adds.
struct EngineNoise {};

using EngineMessage =
    std::variant<EngineNoise, StepText, EngineProgress, EngineWarning, EngineResult, EngineFailure>;

// Never fails: what is not understood is EngineNoise.
EngineMessage parseEngineLine(std::string_view line);

// What is said of a volume's key slots: an inspection sees whether a slot is as it was left, only a
// run that tries keys sees whether the declared one opens it.

// `inspected` as the last inspection found them, with what the last runs that tried keys saw.
std::vector<SlotReport> withTestedKeys(std::vector<SlotReport> inspected, const KeyHealths &tested);

// Whether one of ours is not as declared, or could not be verified.
bool isAnyDegraded(const std::vector<SlotReport> &slots);

}  // namespace volumecrypt::daemon
