// SPDX-License-Identifier: Apache-2.0
// One key: its slot, its kind, whether it is locked to STATE.
#include "config/keys.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "config/key_kinds.h"
#include "config/text.h"

namespace volumecrypt::config {
namespace {

// One token of the header's 32 is our record.
constexpr std::size_t kMostSealedKeys = model::kSlotCount - 1;

constexpr std::array<std::string_view, 5> kKinds{"static", "nodeID", "kms", "tpm", "unmanaged"};

std::optional<model::KeyParameters> readKind(Fields &key, std::string_view kind,
                                             std::int64_t slot) {
    auto fields = key.map(kind);
    if (!fields) return std::nullopt;
    if (kind == "static") return readStatic(*fields, slot);
    if (kind == "kms") return readKms(*fields);
    if (kind == "tpm") return readTpm(*fields, slot);
    fields->finish();
    if (kind == "nodeID") return model::NodeIdKey{};
    return model::UnmanagedKey{};
}

// Both spellings are one field.
std::optional<bool> readLock(Fields &key, std::int64_t slot, std::string_view kind, Draft &draft) {
    const bool both = key.any("lockToState") != nullptr && key.any("lockToSTATE") != nullptr;
    const std::string_view name = key.any("lockToSTATE") != nullptr ? "lockToSTATE" : "lockToState";
    if (both)
        key.report().error(key.place(name),
                           fmt::format("slot {}: lockToState and lockToSTATE are one field; "
                                       "give it once",
                                       slot));
    const std::optional<bool> locked = key.flag(name);
    if (!locked.value_or(false)) return locked;
    const Place place = key.place(name);
    if (draft.spec.id.kind() == model::VolumeKind::State) {
        key.report().error(place, "state-locked key is not allowed for the \"STATE\" volume");
    } else if (kind == "unmanaged") {
        key.report().error(
            place, fmt::format("slot {}: an unmanaged key cannot be locked to STATE", slot));
    } else {
        draft.lockedToState.push_back(key.report().position(place));
    }
    return locked;
}

// The kind's name; empty, and reported, unless there is exactly one.
std::string_view onlyKind(Fields &key, std::int64_t slot) {
    std::vector<std::string> given;
    std::string_view kind;
    for (const std::string_view candidate : kKinds) {
        if (key.any(candidate) == nullptr) continue;
        given.emplace_back(candidate);
        kind = candidate;
    }
    if (given.size() == 1) return kind;
    if (given.empty())
        key.report().error(
            key.place(),
            fmt::format("at least one encryption key type must be specified for slot {}", slot));
    else
        key.report().error(key.place(),
                           fmt::format("slot {}: {} are given in one key; give each a slot of its "
                                       "own",
                                       slot, listed(given, "and")));
    return {};
}

std::optional<model::KeySpec> readKey(Fields &key, std::set<std::int64_t> &slots, Draft &draft) {
    Report &report = key.report();
    const std::size_t errorsBefore = report.errorCount();
    const auto given = key.number("slot");
    const std::int64_t slot = given.value_or(0);
    if (slot < 0 || slot >= model::kSlotCount)
        report.error(key.place("slot"),
                     fmt::format("slot {} is out of range (0-{})", slot, model::kSlotCount - 1));
    else if ((given || key.any("slot") == nullptr) && !slots.insert(slot).second)
        report.error(key.place("slot"), fmt::format("duplicate key slot {}", slot));
    const std::string_view kind = onlyKind(key, slot);
    // Those of several kinds are read as well: their problems are reported with the rest.
    std::optional<model::KeyParameters> parameters;
    for (const std::string_view candidate : kKinds)
        if (auto read = readKind(key, candidate, slot)) parameters = std::move(read);
    const std::optional<bool> locked = readLock(key, slot, kind, draft);
    key.finish();
    if (report.errorCount() != errorsBefore || !parameters) return std::nullopt;
    return model::KeySpec{.slot = static_cast<unsigned>(slot),
                          .parameters = std::move(*parameters),
                          .lockToState = locked.value_or(false),
                          .position = report.position(key.place()),
                          .wording = {.lockToState = locked}};
}

}  // namespace

std::vector<model::KeySpec> readKeys(const TreeNode &list, const std::string &path, Report &report,
                                     Draft &draft) {
    std::vector<model::KeySpec> keys;
    std::set<std::int64_t> slots;
    for (std::size_t i = 0; i < list.items.size(); ++i) {
        const TreeNode &item = *list.items[i];
        const std::string itemPath = fmt::format("{}[{}]", path, i);
        if (item.type != TreeNode::Type::Map) {
            report.error(item.place,
                         fmt::format("{} must be a map, not {}", itemPath, typeName(item.type)));
            continue;
        }
        Fields fields(item, itemPath, report, Quoting::Forbidden);
        auto key = readKey(fields, slots, draft);
        if (!key) continue;
        key->wording.index = i;
        keys.push_back(std::move(*key));
    }
    const auto sealed = static_cast<std::size_t>(std::count_if(
        keys.begin(), keys.end(), [](const model::KeySpec &key) { return key.isSealed(); }));
    if (sealed > kMostSealedKeys)
        report.error(list.place, fmt::format("{} kms and tpm keys are declared; a header takes {}",
                                             sealed, kMostSealedKeys));
    std::sort(keys.begin(), keys.end(),
              [](const model::KeySpec &a, const model::KeySpec &b) { return a.slot < b.slot; });
    return keys;
}

}  // namespace volumecrypt::config
