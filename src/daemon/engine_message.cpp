// SPDX-License-Identifier: Apache-2.0
// Reads the JSON lines of engines. Every member is optional: the engine may be older or newer.
#include "daemon/engine_message.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "base/foreign_json.h"
#include "model/key_spec.h"

namespace volumecrypt::daemon {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMostFindings = 32;

std::string textOf(const Json &object, const char *name) {
    const auto found = object.find(name);
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::optional<bool> flagOf(const Json &object, const char *name) {
    const auto found = object.find(name);
    if (found == object.end() || !found->is_boolean()) return std::nullopt;
    return found->get<bool>();
}

bool boolOf(const Json &object, const char *name) {
    return flagOf(object, name).value_or(false);
}

std::optional<std::uint64_t> numberOf(const Json &object, const char *name) {
    const auto found = object.find(name);
    if (found == object.end()) return std::nullopt;
    return base::integerIn<std::uint64_t>(*found);
}

std::optional<unsigned> slotOf(const Json &object, const char *name) {
    const auto number = numberOf(object, name);
    if (!number || *number > 0xffff) return std::nullopt;
    return static_cast<unsigned>(*number);
}

StepText stepOf(const Json &object) {
    return {.action = textOf(object, "action"),
            .slot = slotOf(object, "slot").value_or(0),
            .kind = textOf(object, "kind"),
            .reason = textOf(object, "reason")};
}

std::optional<std::vector<SlotReport>> slotsOf(const Json &object) {
    const auto found = object.find("slots");
    if (found == object.end() || !found->is_array()) return std::nullopt;
    std::vector<SlotReport> slots;
    for (const auto &entry : *found) {
        if (!entry.is_object()) continue;
        slots.push_back({.slot = slotOf(entry, "slot").value_or(0),
                         .kind = textOf(entry, "kind"),
                         .managed = boolOf(entry, "managed"),
                         .lockedToState = boolOf(entry, "lockedToState"),
                         .health = textOf(entry, "health")});
    }
    return slots;
}

KeyHealths keysOf(const Json &object) {
    KeyHealths keys;
    const auto found = object.find("keys");
    if (found == object.end() || !found->is_array()) return keys;
    for (const auto &entry : *found) {
        if (!entry.is_object()) continue;
        const auto slot = slotOf(entry, "slot");
        if (slot && *slot < model::kSlotCount) keys[*slot] = textOf(entry, "health");
    }
    return keys;
}

std::vector<EngineWarning> warningsOf(const Json &object) {
    std::vector<EngineWarning> warnings;
    const auto found = object.find("warnings");
    if (found == object.end() || !found->is_array()) return warnings;
    for (const auto &entry : *found)
        if (entry.is_object() && warnings.size() < kMostFindings)
            warnings.push_back(
                {.code = textOf(entry, "code"), .message = textOf(entry, "message")});
    return warnings;
}

std::vector<std::string> notesOf(const Json &object) {
    std::vector<std::string> notes;
    const auto found = object.find("notes");
    if (found == object.end() || !found->is_array()) return notes;
    for (const auto &entry : *found)
        if (entry.is_string() && notes.size() < kMostFindings)
            notes.push_back(entry.get<std::string>());
    return notes;
}

EngineResult resultOf(const Json &object) {
    EngineResult result{.verb = textOf(object, "verb"),
                        .state = model::stateFromName(textOf(object, "state")),
                        .changed = boolOf(object, "changed"),
                        .slot = slotOf(object, "slot"),
                        .unlockedBySlot = slotOf(object, "unlockedBySlot"),
                        .pinned = flagOf(object, "pinned"),
                        .device = textOf(object, "device"),
                        .mapping = textOf(object, "mapping"),
                        .uuid = textOf(object, "uuid"),
                        .cipher = textOf(object, "cipher"),
                        .slots = slotsOf(object),
                        .steps = {},
                        .keys = keysOf(object),
                        .warnings = warningsOf(object),
                        .notes = notesOf(object)};
    if (const auto steps = object.find("steps"); steps != object.end() && steps->is_array())
        for (const auto &entry : *steps)
            if (entry.is_object()) result.steps.push_back(stepOf(entry));
    return result;
}

}  // namespace

void addFinding(std::vector<StepText> &steps, const char *action, const std::string &text) {
    StepText step{.action = action, .slot = 0, .kind = kVolumeStep, .reason = text};
    if (std::find(steps.begin(), steps.end(), step) == steps.end())
        steps.push_back(std::move(step));
}

void addFindings(std::vector<StepText> &steps, const EngineResult &planned) {
    for (const auto &warning : planned.warnings) addFinding(steps, kWarnStep, warning.message);
    for (const auto &note : planned.notes) addFinding(steps, kNoteStep, note);
}

EngineMessage parseEngineLine(std::string_view line) {
    const auto object = base::parseForeignJson(line);
    if (!object.is_object()) return EngineNoise{};
    const auto type = textOf(object, "type");
    if (type == "step") return stepOf(object);
    if (type == "progress")
        return EngineProgress{.done = numberOf(object, "done").value_or(0),
                              .total = numberOf(object, "total").value_or(0)};
    if (type == "warning")
        return EngineWarning{.code = textOf(object, "code"), .message = textOf(object, "message")};
    if (type == "result") return resultOf(object);
    if (type == "error")
        return EngineFailure{.error = base::errorIn(object), .keys = keysOf(object)};
    return EngineNoise{};
}

}  // namespace volumecrypt::daemon
