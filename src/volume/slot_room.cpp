// SPDX-License-Identifier: Apache-2.0
// The room that a change takes in the header: key slot areas, token numbers, and bytes of JSON.
#include <algorithm>
#include <utility>

#include "crypto/digest.h"
#include "model/slot_token.h"
#include "volume/enrol.h"
#include "volume/slot_changer.h"

namespace volumecrypt::volume {
namespace {

using base::ErrorCode;
using model::Pending;

// A key slot as we make it, with the largest numbers that it may hold, and its place in the digest.
constexpr std::int64_t kSlotJson = 340;
// "31":{…},
constexpr std::int64_t kTokenPlace = 6;

std::int64_t tokenSize(const std::string &json) {
    return json.empty() ? 0 : static_cast<std::int64_t>(json.size()) + kTokenPlace;
}

}  // namespace

// What the record is larger by: with `pending`, or else as it is when the change is done.
std::int64_t SlotChanger::recordGrowth(const model::HeaderView &view,
                                       const std::optional<Pending> &pending,
                                       const Pending &change) const {
    model::Record future = record_;
    future.pending = pending;
    if (!pending) {
        model::RecordSlot &entry = future.slots[change.slot];
        entry = change.entry;
        entry.areaDigest = entry.check = std::string(crypto::kSha256Size, '\0');
    }
    future.mac = std::string(crypto::kSha256Size, '\0');
    const auto present = token_ ? view.tokens.find(*token_) : view.tokens.end();
    if (present == view.tokens.end()) return tokenSize(future.toJson());
    return tokenSize(future.toJson()) - tokenSize(present->second.json);
}

std::int64_t SlotChanger::mostGrowth(const model::HeaderView &view, const Pending &change,
                                     std::int64_t atFirst, std::int64_t more) const {
    const std::int64_t announced = recordGrowth(view, change, change);
    const std::int64_t committed = recordGrowth(view, std::nullopt, change);
    std::int64_t most = std::max(announced + std::max(atFirst, more), committed + more);
    // While it moves to another number it is there twice.
    const auto number = chooseRecordToken(view, session_.encryption().keys, token_);
    if (token_ && number && *number != *token_)
        if (const auto present = view.tokens.find(*token_); present != view.tokens.end())
            most += tokenSize(present->second.json);
    return most;
}

std::int64_t SlotChanger::refillGrowth(const model::HeaderView &view,
                                       const Pending &pending) const {
    std::int64_t growth = kSlotJson + tokenSize(pending.token);
    if (const auto slot = view.slots.find(pending.slot); slot != view.slots.end())
        growth -= static_cast<std::int64_t>(slot->second.json.size());
    for (const unsigned id : model::tokensOfSlot(view, pending.slot))
        growth -= tokenSize(view.tokens.at(id).json);
    return growth;
}

bool SlotChanger::hasRoomForSpare(const model::HeaderView &view, const Pending &pending) const {
    if (!view.hasRoomForSlot(unlocked_.volumeKey.size())) return false;
    Pending announced = pending;
    announced.spare = model::kSlotCount - 1;
    const std::int64_t more = std::max<std::int64_t>(refillGrowth(view, pending), 0);
    return mostGrowth(view, announced, kSlotJson, kSlotJson + more) <=
           static_cast<std::int64_t>(view.jsonFree);
}

// Something to know the volume by, and nothing that a full header has to have.
void SlotChanger::takeMark(const model::HeaderView &view) {
    if (mark_.empty() || record_.machine == mark_) return;
    const std::string without = std::exchange(record_.machine, mark_);
    if (!without.empty()) return;
    const auto present = token_ ? view.tokens.find(*token_) : view.tokens.end();
    const std::int64_t before = present == view.tokens.end() ? 0 : tokenSize(present->second.json);
    if (tokenSize(record_.toJson()) - before > static_cast<std::int64_t>(view.jsonFree))
        record_.machine.clear();
}

// The record has a number by then.
base::Status SlotChanger::expectTokenNumber(const model::HeaderView &view, const Pending &change) {
    VC_ASSIGN(const unsigned record, chooseRecordToken(view, session_.encryption().keys, token_));
    if (change.token.empty()) return {};
    model::HeaderView then = view;
    for (const unsigned id : model::tokensOfSlot(view, change.slot)) then.tokens.erase(id);
    then.tokens[record].id = record;
    VC_TRY(
        model::chooseSlotToken(then, change.entry.kind, change.slot, session_.encryption().keys));
    return {};
}

base::Error SlotChanger::noRoom(unsigned slot, const std::string &what) const {
    return base::Error(ErrorCode::NoSpace, at(slot) + ": the header has no room for " + what)
        .withSlot(slot);
}

base::Status SlotChanger::expectRoomToAdd(const Pending &pending) {
    VC_ASSIGN(const model::HeaderView view, store_.view());
    if (!view.hasRoomForSlot(unlocked_.volumeKey.size()))
        return base::fail(noRoom(pending.slot, "another key slot"));
    if (auto number = expectTokenNumber(view, pending); !number)
        return base::fail(std::move(number).error().because(at(pending.slot)));
    const std::int64_t more = kSlotJson + tokenSize(pending.token);
    const std::int64_t most = mostGrowth(view, pending, 0, more);
    if (most <= static_cast<std::int64_t>(view.jsonFree)) return {};
    return base::fail(noRoom(pending.slot, "its metadata: it takes up to " + std::to_string(most) +
                                               " bytes, " + std::to_string(view.jsonFree) +
                                               " are free"));
}

base::Status SlotChanger::expectRoomToRefill(const Pending &pending) {
    VC_ASSIGN(const model::HeaderView view, store_.view());
    if (auto number = expectTokenNumber(view, pending); !number)
        return base::fail(std::move(number).error().because(at(pending.slot)));
    const std::int64_t most = mostGrowth(view, pending, 0, refillGrowth(view, pending));
    if (most <= static_cast<std::int64_t>(view.jsonFree)) return {};
    return base::fail(noRoom(pending.slot, "its metadata: it takes up to " + std::to_string(most) +
                                               " more bytes, " + std::to_string(view.jsonFree) +
                                               " are free"));
}

// What does not fit into the header goes out of it again; other failures may pass, and then the
// next run goes on.
base::Status SlotChanger::withdrawAdd(unsigned slot, base::Error error) {
    if (error.code != ErrorCode::NoSpace) return base::fail(std::move(error));
    VC_TRY(dropTokens(slot));
    VC_TRY(destroyProven(slot));
    record_.slots.erase(slot);
    record_.pending.reset();
    VC_TRY(commit());
    begun_.erase(slot);
    error.message += "; what was written of it was taken out again";
    return base::fail(std::move(error));
}

base::Status SlotChanger::told(base::Status done) const {
    if (done || done.error().code != ErrorCode::NoSpace) return done;
    const std::string &device = session_.device().node;
    std::string before;
    for (const std::string &each : done_) before += (before.empty() ? "" : ", ") + each;
    std::string state =
        before.empty() ? "No key was changed." : "Done before, and kept: " + before + ".";
    if (!begun_.empty())
        state = "The change of slot " + std::to_string(*begun_.begin()) +
                " was begun; the next sync finishes it.";
    done.error().hint = "Make room: `cryptsetup luksDump " + device +
                        "` shows tokens and key slots, `cryptsetup token remove --token-id N " +
                        device + "` and `cryptsetup luksKillSlot " + device +
                        " N` remove what nobody needs. " + state;
    return done;
}

}  // namespace volumecrypt::volume
