// SPDX-License-Identifier: Apache-2.0
// inspect: what the device holds, without a key and without a lock.
#include <optional>
#include <utility>

#include "engine/inspection_text.h"
#include "engine/verbs.h"
#include "luks/header_copy.h"
#include "model/names.h"
#include "model/slot_token.h"
#include "volume/comparison.h"
#include "volume/device_state.h"
#include "volume/enrol.h"
#include "volume/former_name.h"
#include "volume/key_ring.h"
#include "volume/maker.h"
#include "volume/pin.h"
#include "volume/record_book.h"
#include "volume/state_meta.h"

namespace volumecrypt::engine {
namespace {

using Json = nlohmann::json;
using model::SlotHealth;

Json emptyReport(const volume::Session &session) {
    return {{"device", session.spec().device.path},
            {"mapping", nullptr},
            {"uuid", nullptr},
            {"cipher", nullptr},
            {"keySize", nullptr},
            {"sectorSize", nullptr},
            {"phase", nullptr},
            {"content", nullptr},
            {"pinned", false},
            {"slots", Json::array()}};
}

class SlotReport {
  public:
    // `device`: what the key slot areas are read from.
    SlotReport(const volume::Session &session, const model::HeaderView &header, int device)
        : session_(session),
          header_(header),
          device_(device),
          ring_(session),
          found_(volume::peekRecord(header)) {}

    base::Result<Json> all();
    [[nodiscard]] Json phase() const;

  private:
    base::Result<Json> one(unsigned slot);
    base::Result<SlotHealth> health(unsigned slot, const model::RecordSlot *entry);
    [[nodiscard]] std::optional<unsigned> tokenOf(unsigned slot) const;
    [[nodiscard]] model::KeyKind kindOf(unsigned slot, const model::RecordSlot *entry) const;

    const volume::Session &session_;
    const model::HeaderView &header_;
    int device_;
    volume::KeyRing ring_;
    volume::FoundRecord found_;
};

Json SlotReport::phase() const {
    if (!found_.record) return nullptr;
    return found_.record->phase == model::Phase::Ready ? "ready" : "formatting";
}

std::optional<unsigned> SlotReport::tokenOf(unsigned slot) const {
    for (const auto &[id, token] : header_.tokens)
        for (const unsigned linked : token.keyslots)
            if (linked == slot) return id;
    // Talos' tokens name no slot.
    const auto ids = model::tokensOfSlot(header_, slot);
    return ids.empty() ? std::nullopt : std::optional(ids.front());
}

model::KeyKind SlotReport::kindOf(unsigned slot, const model::RecordSlot *entry) const {
    if (entry != nullptr) return entry->kind;
    const auto token = tokenOf(slot);
    if (!token) return model::KeyKind::Unknown;
    const auto known = model::kindOfToken(header_.tokens.at(*token).type);
    return known ? known->kind : model::KeyKind::Unknown;
}

// By the record's digest of the area: whether the slot is as we left it. No key is tried here, so
// none is ever said to be ok: runs that try keys tell that (see Reporter::key).
base::Result<SlotHealth> SlotReport::health(unsigned slot, const model::RecordSlot *entry) {
    if (entry == nullptr) return SlotHealth::Unverified;
    if (!header_.slots.contains(slot)) return SlotHealth::Missing;
    const model::KeySpec *key = session_.encryption().keyInSlot(slot);
    if (entry->origin == model::Origin::Declared &&
        (key == nullptr || key->kind() != entry->kind ||
         volume::paramsDigestOf(*key) != entry->paramsDigest))
        return SlotHealth::Stale;
    // STATE was replaced: the declared key does not open the slot any more.
    if (key != nullptr && entry->lockedToState)
        if (const std::string salt = ring_.saltDigest(*key);
            !salt.empty() && salt != entry->saltDigest)
            return SlotHealth::Stale;
    VC_ASSIGN(const std::string area, luks::slotDigestOf(device_, header_, slot));
    return area == entry->areaDigest ? SlotHealth::Unverified : SlotHealth::Stale;
}

base::Result<Json> SlotReport::one(unsigned slot) {
    const model::RecordSlot *entry = found_.entry(slot);
    VC_ASSIGN(const SlotHealth state, health(slot, entry));
    const auto token = tokenOf(slot);
    return Json{{"slot", slot},
                {"kind", model::keyKindName(kindOf(slot, entry))},
                {"managed", entry != nullptr},
                {"lockedToState", entry != nullptr && entry->lockedToState},
                {"health", model::healthName(state)},
                {"tokenId", token ? Json(*token) : Json(nullptr)}};
}

base::Result<Json> SlotReport::all() {
    Json slots = Json::array();
    for (unsigned slot = 0; slot < model::kSlotCount; ++slot) {
        const model::KeySpec *declared = session_.encryption().keyInSlot(slot);
        const bool expected = declared != nullptr && declared->kind() != model::KeyKind::Unmanaged;
        const auto at = header_.slots.find(slot);
        // Others hold the state of a reencryption, and no key.
        const bool present = at != header_.slots.end() && at->second.type == "luks2";
        if (present || found_.entry(slot) != nullptr) {
            VC_ASSIGN(Json report, one(slot));
            slots.push_back(std::move(report));
        } else if (expected) {
            slots.push_back({{"slot", slot},
                             {"kind", model::keyKindName(declared->kind())},
                             {"managed", true},
                             {"lockedToState", declared->lockToState},
                             {"health", model::healthName(SlotHealth::Missing)},
                             {"tokenId", nullptr}});
        }
    }
    return slots;
}

base::Status describeHeader(const volume::Session &session, const model::HeaderView &view,
                            int device, volume::Outcome &outcome) {
    SlotReport report(session, view, device);
    const model::SegmentView &data = view.dataSegment();
    outcome.extra["uuid"] = view.uuid;
    outcome.extra["cipher"] = data.cipher;
    outcome.extra["keySize"] = view.volumeKeyBits;
    outcome.extra["sectorSize"] = data.sectorSize;
    outcome.extra["phase"] = report.phase();
    VC_ASSIGN(outcome.extra["slots"], report.all());
    return {};
}

void warnOfFormerName(const volume::Session &session, const model::HeaderView &view) {
    const volume::FoundRecord found = volume::peekRecord(view);
    const auto former = found.record ? volume::formerName(session, *found.record) : std::nullopt;
    if (former)
        session.reporter().warning(base::ErrorCode::KeyRejected,
                                   session.describe() + ": its record names it " + former->text() +
                                       ", as it was called before: `volumecryptctl sync " +
                                       session.id().text() +
                                       "` makes its nodeID keys anew and renames it");
}

// Nothing else can be done with it, but it can be looked at.
base::Result<volume::Outcome> inspectReencrypting(const volume::Session &session,
                                                  const model::HeaderView &view,
                                                  const base::Error &refused,
                                                  volume::Outcome outcome) {
    VC_ASSIGN(const base::UniqueFd device, blockdev::openDevice(session.device(), false));
    VC_TRY(describeHeader(session, view, device.get(), outcome));
    VC_ASSIGN(const bool mapped, volume::isMapped(session));
    if (mapped) outcome.extra["mapping"] = model::mappingPath(session.id());
    outcome.state = model::VolumeState::Reencrypting;
    outcome.extra["content"] = "an unfinished reencryption";
    session.reporter().warning(refused.code, refused.message + ". " + refused.hint);
    return outcome;
}

base::Result<volume::Outcome> inspectEncrypted(const volume::Session &session,
                                               volume::Outcome outcome) {
    auto copied = volume::copyHeader(session);
    if (!copied) {
        if (const auto view = volume::reencryptingHeader(session))
            return inspectReencrypting(session, *view, copied.error(), std::move(outcome));
        return base::fail(std::move(copied).error());
    }
    const luks::HeaderCopy &header = *copied;
    if (header.needsRepair)
        session.reporter().warning(
            base::ErrorCode::HeaderCorrupt,
            session.describe() + ": one copy of the header is damaged or out of date");
    VC_TRY(describeHeader(session, header.view, header.device.get(), outcome));
    VC_ASSIGN(outcome.state, volume::encryptedState(session));
    const bool mapped = model::isOpen(outcome.state);
    if (mapped) outcome.extra["mapping"] = model::mappingPath(session.id());
    volume::warnOfDifferences(session, header.view, mapped);
    if (const std::string strange = volume::strangeness(session, header.view); !strange.empty())
        session.reporter().warning(
            base::ErrorCode::ForeignVolume,
            session.describe() + ": " + strange + ". " + volume::otherMachineHint(session, mapped));
    warnOfFormerName(session, header.view);
    volume::warnOfTpmAlone(session, header.view);
    return outcome;
}

model::VolumeState stateOfContent(const volume::Session &session,
                                  const volume::DeviceContent &found) {
    if (found.interruptedFormat || found.content.kind == blockdev::ContentKind::Blank)
        return model::VolumeState::Blank;
    if (found.interruptedDecryption) return model::VolumeState::Reencrypting;
    const bool plain =
        found.content.kind == blockdev::ContentKind::Filesystem && !session.spec().encryption;
    return plain ? model::VolumeState::Plain : model::VolumeState::Foreign;
}

base::Result<volume::Outcome> look(volume::Session &session) {
    VC_TRY(session.loadSpec());
    volume::Outcome outcome;
    outcome.extra = emptyReport(session);
    VC_ASSIGN(outcome.extra["pinned"], volume::hasPin(session));
    if (session.id().kind() == model::VolumeKind::State) {
        VC_ASSIGN(outcome.extra["meta"], volume::metaReport(session));
    }
    if (auto device = session.findDevice(); !device) {
        if (device.error().code != base::ErrorCode::NotFound)
            return base::fail(std::move(device).error());
        outcome.state = model::VolumeState::Absent;
        return outcome;
    }
    VC_ASSIGN(const volume::DeviceContent found, volume::lookAtDevice(session));
    if (const auto writable = volume::expectWritable(session); !writable)
        session.reporter().warning(writable.error().code, writable.error().message);
    const bool luks2 =
        !found.interruptedFormat && found.content.kind == blockdev::ContentKind::Luks2;
    if (luks2) volume::warnOfOthers(session, found);
    if (luks2 && session.spec().encryption) return inspectEncrypted(session, std::move(outcome));
    outcome.state = stateOfContent(session, found);
    if (outcome.state == model::VolumeState::Plain)
        volume::warnOfOtherFilesystem(session, found.content);
    if (found.interruptedFormat)
        outcome.extra["content"] = "an interrupted first format";
    else if (found.interruptedDecryption)
        outcome.extra["content"] = "an unfinished decryption";
    else if (outcome.state != model::VolumeState::Blank)
        outcome.extra["content"] = found.content.describe();
    return outcome;
}

}  // namespace

base::Result<volume::Outcome> inspect(volume::Session &session) {
    VC_ASSIGN(volume::Outcome outcome, look(session));
    outcome.text = inspectionText(session.id(), outcome.state, outcome.extra);
    return outcome;
}

}  // namespace volumecrypt::engine
