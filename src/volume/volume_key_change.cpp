// SPDX-License-Identifier: Apache-2.0
// The order of writes of a change of the volume key.
#include "volume/volume_key_change.h"

#include <algorithm>
#include <utility>

#include <nlohmann/json.hpp>

#include "keys/derivations.h"
#include "luks/new_volume_key.h"
#include "luks/reencryption.h"
#include "model/key_spec.h"
#include "model/names.h"
#include "volume/device_state.h"
#include "volume/enrol.h"
#include "volume/maker.h"
#include "volume/pin.h"
#include "volume/record_book.h"
#include "volume/stop.h"
#include "volume/unfinished_job.h"

namespace volumecrypt::volume {
namespace {

using base::ErrorCode;
using model::Job;
using model::Record;

// Numbers for the temporary slots, those that are not declared first; one stays free for the
// reencryption itself. NoSpace.
base::Result<std::map<unsigned, unsigned>> chooseSlots(const Session &session,
                                                       const model::HeaderView &view,
                                                       const std::vector<CarriedKey> &keys) {
    std::vector<unsigned> free;
    for (const bool declared : {false, true})
        for (unsigned slot = model::kSlotCount; slot-- > 0;)
            if (!view.slots.contains(slot) && session.encryption().declares(slot) == declared)
                free.push_back(slot);
    if (free.size() <= keys.size())
        return base::fail(ErrorCode::NoSpace,
                          session.describe() + ": its header has " + std::to_string(free.size()) +
                              " free key slots, and a new volume key needs " +
                              std::to_string(keys.size() + 1),
                          "Nothing was changed. Remove keys, and add them again afterwards.");
    std::map<unsigned, unsigned> chosen;
    for (std::size_t i = 0; i < keys.size(); ++i) chosen[keys[i].slot] = free[i];
    return chosen;
}

// The beginning, with what it has at hand.
class Beginning {
  public:
    Beginning(const Session &session, SlotSession &slots, const std::vector<CarriedKey> &keys)
        : session_(session),
          volume_(slots.volume()),
          keys_(keys),
          store_(luks::openHeaderStore(session.device().node)),
          record_(slots.changer().record()),
          token_(*slots.changer().token()) {}

    base::Status run();

  private:
    base::Status writeRecord();
    base::Status addSlots();
    base::Status addSlot(const CarriedKey &key, unsigned temporary);
    base::Status linkTokens(unsigned slot, unsigned temporary);
    base::Result<Record> finalRecord();
    base::Status prepare();
    base::Status putInFlight();

    const Session &session_;
    const OpenedVolume &volume_;
    const std::vector<CarriedKey> &keys_;
    std::unique_ptr<luks::HeaderStore> store_;
    Record record_;
    unsigned token_;
    base::SecretBuffer newKey_, newRecordKey_;
};

base::Status Beginning::writeRecord() {
    return store_->setToken(token_, sealRecordWithJob(record_, volume_.recordKey, newRecordKey_));
}

base::Status Beginning::addSlot(const CarriedKey &key, unsigned temporary) {
    const std::string &path = session_.device().node;
    const std::string context = session_.describe() + ", slot " + std::to_string(key.slot);
    if (auto added = luks::addNewKeySlot(path, temporary, newKey_, key.passphrase,
                                         costFor(session_, key.kind));
        !added)
        return base::fail(std::move(added).error().because(context).withSlot(key.slot));
    VC_ASSIGN(const luks::HeaderCopy copy, luks::copyHeader(path));
    VC_ASSIGN(const base::SecretBuffer proof, luks::openAnySlot(copy, temporary, key.passphrase));
    if (!(proof == newKey_))
        return base::fail(
            base::Error(
                ErrorCode::Internal,
                context + ": the new key does not open the slot that it was just written to",
                "The other keys are untouched. Check the disk and the memory of this "
                "machine.")
                .withSlot(key.slot));
    return linkTokens(key.slot, temporary);
}

// So that whoever goes by the token, as systemd does, finds either slot.
base::Status Beginning::linkTokens(unsigned slot, unsigned temporary) {
    VC_ASSIGN(const model::HeaderView view, store_->view());
    for (const auto &[id, token] : view.tokens) {
        if (std::ranges::find(token.keyslots, slot) == token.keyslots.end()) continue;
        auto json = nlohmann::json::parse(token.json, nullptr, false);
        if (!json.is_object()) continue;
        json["keyslots"].push_back(std::to_string(temporary));
        VC_TRY(store_->setToken(id, json.dump()));
    }
    return {};
}

base::Status Beginning::addSlots() {
    for (const CarriedKey &key : keys_) {
        VC_TRY(checkStop());
        VC_TRY(addSlot(key, record_.job->slots.at(key.slot)));
    }
    return {};
}

// What the slots are recognised by does not depend on their numbers, but the checks do: they are
// made for the numbers that the slots will have.
base::Result<Record> Beginning::finalRecord() {
    Record last = record_;
    last.job.reset();
    last.slots.clear();
    for (const CarriedKey &key : keys_) {
        const model::RecordSlot *entry = record_.entry(key.slot);
        if (entry == nullptr) continue;
        model::RecordSlot carried = *entry;
        VC_ASSIGN(carried.areaDigest, store_->slotDigest(record_.job->slots.at(key.slot)));
        carried.check =
            keys::slotCheck(newRecordKey_, key.slot, key.passphrase, carried.areaDigest);
        last.slots[key.slot] = std::move(carried);
    }
    if (!last.machine.empty()) last.machine = machineMark(session_, newRecordKey_);
    return last;
}

base::Status Beginning::prepare() {
    VC_TRY(writeRecord());
    VC_TRY(addSlots());
    VC_ASSIGN(Record last, finalRecord());
    record_.job->final = sealRecord(last, newRecordKey_);
    return writeRecord();
}

base::Status Beginning::putInFlight() {
    const CarriedKey &key = keys_.front();
    return luks::beginReencryption(session_.device().node, {},
                                   {.passphrase = key.passphrase,
                                    .oldSlot = key.slot,
                                    .newSlot = record_.job->slots.at(key.slot)});
}

base::Status Beginning::run() {
    Job job;
    VC_ASSIGN(job.slots, chooseSlots(session_, volume_.header.view, keys_));
    VC_ASSIGN(newKey_, luks::makeVolumeKey(volume_.unlocked.volumeKey.size()));
    newRecordKey_ = keys::recordKey(newKey_);
    VC_TRY(writePinWithNext(session_, volume_.header.view, volume_.unlocked.volumeKey, newKey_,
                            record_.machine));
    record_.job = std::move(job);
    auto begun = prepare();
    if (begun) begun = putInFlight();
    if (begun) return {};
    // What libcryptsetup refused may have been written all the same.
    VC_ASSIGN(const luks::HeaderCopy header, readHeaderOfJob(session_));
    if (isBegun(header.view, *record_.job)) return {};
    OpenedVolume left;
    left.header.view = header.view;
    left.unlocked.volumeKey = base::SecretBuffer::copyOf(volume_.unlocked.volumeKey.bytes());
    left.recordKey = base::SecretBuffer::copyOf(volume_.recordKey.bytes());
    left.found = authenticateRecord(session_, header.view, left.recordKey);
    if (auto undone = withdrawKeyChange(session_, left); !undone)
        session_.reporter().warning(
            undone.error().code,
            session_.describe() +
                ": the next run cleans up what this one began: " + undone.error().message);
    return base::fail(std::move(begun).error());
}

// How the volume was opened: the key in its two slots.
base::Result<std::pair<unsigned, unsigned>> openedPair(const Session &session,
                                                       const OpenedVolume &volume) {
    for (const auto &pair : volume.found.record->job->slots)
        if (pair.first == volume.unlocked.slot || pair.second == volume.unlocked.slot) return pair;
    return base::fail(ErrorCode::NoUsableKey,
                      session.describe() + ": the key that opens it, in slot " +
                          std::to_string(volume.unlocked.slot) +
                          ", is none of those that are carried over to the new volume key",
                      "Use one that was there when the change began.");
}

luks::ReencryptionKey keyOf(const OpenedVolume &volume, const base::SecretBuffer &passphrase,
                            const std::pair<unsigned, unsigned> &pair) {
    luks::ReencryptionKey key{.passphrase = passphrase, .oldSlot = {}, .newSlot = pair.second};
    if (volume.header.view.slots.contains(pair.first)) key.oldSlot = pair.first;
    return key;
}

base::Result<luks::ReencryptionEnd> encryptAnew(const Session &session, const OpenedVolume &volume,
                                                const base::SecretBuffer &passphrase,
                                                const std::pair<unsigned, unsigned> &pair) {
    const luks::ReencryptionKey key = keyOf(volume, passphrase, pair);
    luks::ReencryptionControl control;
    control.rate = session.options().rate;
    control.progress = [&](std::uint64_t done, std::uint64_t total) {
        session.reporter().progress(done, total);
    };
    control.pause = [](std::chrono::milliseconds time) {
        return waitUnlessStopped(static_cast<int>(time.count()));
    };
    auto end = luks::runReencryption(session.device().node, {}, key, control);
    if (!end) return base::fail(std::move(end).error().because(session.describe()));
    return end;
}

// The record of the end, as it was written at the beginning; nobody but who had the new volume key
// can have made it.
base::Status checkFinalRecord(const Session &session, const Job &job,
                              const base::SecretBuffer &newKey) {
    const auto last = Record::fromJson(job.final);
    if (last && isSealedBy(*last, keys::recordKey(newKey))) return {};
    return base::fail(ErrorCode::HeaderCorrupt,
                      session.describe() +
                          ": what its record is to be under the new volume key "
                          "was changed by somebody without that key",
                      "Nothing was written. Restore a header backup.");
}

base::Status finish(const Session &session, const OpenedVolume &volume,
                    const base::SecretBuffer &passphrase,
                    const std::pair<unsigned, unsigned> &pair) {
    const std::string &path = session.device().node;
    const Job &job = *volume.found.record->job;
    VC_ASSIGN(const luks::HeaderCopy header, readHeaderOfJob(session));
    VC_ASSIGN(const base::SecretBuffer newKey, luks::openAnySlot(header, pair.second, passphrase));
    VC_TRY(checkFinalRecord(session, job, newKey));
    luks::FinalHeader last{.moves = {}, .token = volume.found.token, .tokenJson = job.final};
    for (const auto &[slot, temporary] : job.slots)
        if (header.view.slots.contains(temporary)) last.moves[temporary] = slot;
    if (auto done = luks::finishReencryption(path, last); !done)
        return base::fail(std::move(done).error().because(session.describe()));
    VC_ASSIGN(const luks::HeaderCopy after, luks::copyHeader(path));
    VC_ASSIGN(const base::SecretBuffer proof, luks::openSlot(after, pair.first, passphrase));
    if (!(proof == newKey))
        return base::fail(ErrorCode::Internal,
                          session.describe() + ": it has another volume key than was made for it");
    const FoundRecord found = authenticateRecord(session, after.view, keys::recordKey(newKey));
    const std::string machine = found.record ? found.record->machine : std::string();
    return writePin(session, after.view, newKey, machine);
}

}  // namespace

base::Status beginKeyChange(const Session &session, SlotSession &slots,
                            const std::vector<CarriedKey> &keys) {
    return Beginning(session, slots, keys).run();
}

bool isBegun(const model::HeaderView &view, const Job &job) {
    if (view.reencryption) return true;
    return std::ranges::any_of(job.slots, [&](const auto &pair) {
        const auto at = view.slots.find(pair.second);
        return at != view.slots.end() && !at->second.unbound;
    });
}

base::Status withdrawKeyChange(const Session &session, const OpenedVolume &volume) {
    if (!volume.found.record || !volume.found.record->job) return {};
    Record record = *volume.found.record;
    const auto store = luks::openHeaderStore(session.device().node);
    for (const auto &[slot, temporary] : record.job->slots) {
        VC_ASSIGN(const model::HeaderView view, store->view());
        const auto at = view.slots.find(temporary);
        if (at != view.slots.end() && at->second.unbound) VC_TRY(store->destroySlot(temporary));
    }
    record.job.reset();
    VC_TRY(store->setToken(*volume.found.token, sealRecord(record, volume.recordKey)));
    VC_ASSIGN(const model::HeaderView view, store->view());
    return writePin(session, view, volume.unlocked.volumeKey, record.machine);
}

base::Result<luks::ReencryptionEnd> settleKeyChange(const Session &session,
                                                    const OpenedVolume &volume, KeyRing &ring) {
    VC_ASSIGN(const auto pair, openedPair(session, volume));
    VC_ASSIGN(const base::SecretBuffer passphrase, openingPassphrase(session, volume, ring));
    auto end = luks::recoverReencryption(session.device().node, keyOf(volume, passphrase, pair));
    if (!end) return base::fail(std::move(end).error().because(session.describe()));
    if (*end != luks::ReencryptionEnd::Stopped) VC_TRY(finish(session, volume, passphrase, pair));
    return end;
}

base::Status mapInFlight(const Session &session, const OpenedVolume &volume, KeyRing &ring,
                         const luks::ActivationOptions &options) {
    VC_ASSIGN(const base::SecretBuffer passphrase, openingPassphrase(session, volume, ring));
    auto mapped = luks::activateInFlight(session.device().node, model::mappingName(session.id()),
                                         passphrase, options);
    if (!mapped) return base::fail(std::move(mapped).error().because(session.describe()));
    return {};
}

base::Status goOnWithKeyChange(const Session &session, const OpenedVolume &volume, KeyRing &ring) {
    VC_ASSIGN(const auto pair, openedPair(session, volume));
    VC_ASSIGN(const base::SecretBuffer passphrase, openingPassphrase(session, volume, ring));
    VC_ASSIGN(const luks::ReencryptionEnd end, encryptAnew(session, volume, passphrase, pair));
    if (end == luks::ReencryptionEnd::Stopped) {
        VC_TRY(checkStop());
        return base::fail(ErrorCode::Internal, session.describe() + ": stopped, and nobody asked");
    }
    return finish(session, volume, passphrase, pair);
}

}  // namespace volumecrypt::volume
