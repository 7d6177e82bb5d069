// SPDX-License-Identifier: Apache-2.0
// One key: its slot, its kind, whether it is locked to STATE.
#include "config/keys.h"

#include <algorithm>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "config/key_kinds.h"
#include "config/text.h"

namespace volumecrypt::config {
namespace {

// One token of the header's 32 is our record.
constexpr std::size_t kMostSealedKeys = model::kSlotCount - 1;

// Both spellings are one field.
std::optional<bool> readLock(Fields &key, std::int64_t slot, std::optional<model::KeyKind> kind,
                             Draft &draft) {
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
    } else if (kind == model::KeyKind::Unmanaged) {
        key.report().error(
            place, fmt::format("slot {}: an unmanaged key cannot be locked to STATE", slot));
    } else {
        draft.lockedToState.push_back(key.report().position(place));
    }
    return locked;
}

// Nothing, and reported, unless there is exactly one.
std::optional<model::KeyKind> onlyKind(Fields &key, std::int64_t slot) {
    std::vector<std::string> given;
    std::optional<model::KeyKind> kind;
    for (const model::KeyKindRow &candidate : model::kKeyKinds) {
        if (!candidate.declarable || key.any(candidate.name) == nullptr) continue;
        given.emplace_back(candidate.name);
        kind = candidate.kind;
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
    return std::nullopt;
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
    const auto kind = onlyKind(key, slot);
    // Those of several kinds are read as well: their problems are reported with the rest.
    std::optional<model::KeyParameters> parameters;
    for (const model::KeyKindRow &row : model::kKeyKinds) {
        auto fields = row.declarable ? key.map(row.name) : std::nullopt;
        if (fields) parameters = readParameters(row.kind, *fields, slot);
    }
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
        report.error(list.place, fmt::format("{} {} keys are declared; a header takes {}", sealed,
                                             model::kindNames(&model::KeyKindRow::sealed, "and"),
                                             kMostSealedKeys));
    std::sort(keys.begin(), keys.end(),
              [](const model::KeySpec &a, const model::KeySpec &b) { return a.slot < b.slot; });
    return keys;
}

}  // namespace volumecrypt::config
