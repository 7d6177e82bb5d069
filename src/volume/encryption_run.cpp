// SPDX-License-Identifier: Apache-2.0
// libcryptsetup moves and encrypts the data chunk by chunk; the record says before and after whose
// work it is.
#include <utility>
#include <vector>

#include "base/journal.h"
#include "keys/derivations.h"
#include "luks/new_volume_key.h"
#include "luks/reencryption.h"
#include "model/names.h"
#include "volume/device_state.h"
#include "volume/encryption.h"
#include "volume/key_failures.h"
#include "volume/maker.h"
#include "volume/pin.h"
#include "volume/record_book.h"
#include "volume/stop.h"
#include "volume/unfinished_job.h"

namespace volumecrypt::volume {
namespace {

using base::ErrorCode;

// libcryptsetup wants a passphrase again for each run.
struct OpenedInFlight {
    luks::HeaderCopy header;
    base::SecretBuffer volumeKey;
    base::SecretBuffer passphrase;
    unsigned slot = 0;
};

// Whether it opens one of the slots; `first` before the others.
bool opens(const base::SecretBuffer &passphrase, unsigned first, OpenedInFlight &opened,
           KeyFailures &failures) {
    std::vector<unsigned> slots{first};
    for (const auto &[number, slot] : opened.header.view.slots)
        if (slot.type == "luks2" && number != first) slots.push_back(number);
    for (const unsigned slot : slots) {
        const auto found = opened.header.view.slots.find(slot);
        if (found == opened.header.view.slots.end() || found->second.type != "luks2") continue;
        auto key = luks::openAnySlot(opened.header, slot, passphrase);
        if (!key) {
            failures.add(key.error());
            continue;
        }
        opened.volumeKey = std::move(*key);
        opened.slot = slot;
        opened.passphrase = base::SecretBuffer::copyOf(passphrase.bytes());
        return true;
    }
    return false;
}

base::Result<OpenedInFlight> openInFlight(const Session &session, KeyRing &ring) {
    OpenedInFlight opened;
    VC_ASSIGN(opened.header, readHeaderOfJob(session));
    KeyFailures failures;
    if (session.secret() != nullptr && opens(*session.secret(), 0, opened, failures)) return opened;
    for (const model::KeySpec *key : ring.keysToTry()) {
        VC_TRY(checkStop());
        const base::SecretBuffer *passphrase = ring.passphrase(*key, opened.header.view);
        if (passphrase == nullptr)
            failures.add(ring.failure(*key));
        else if (opens(*passphrase, key->slot, opened, failures))
            return opened;
    }
    return base::fail(failures.summary(
        session.describe() + ": no key opens the volume whose encryption is unfinished",
        "Nothing was written. Make a declared key available, then run `volumecryptctl encrypt " +
            session.id().text() + "` again."));
}

base::Result<FoundRecord> ownRecord(const Session &session, const OpenedInFlight &opened,
                                    const base::SecretBuffer &recordKey) {
    FoundRecord found = authenticateRecord(session, opened.header.view, recordKey);
    const auto *job = found.record && found.record->job ? &*found.record->job : nullptr;
    if (job != nullptr && job->operation == model::JobOperation::Encrypt) return found;
    return base::fail(ErrorCode::ForeignVolume,
                      session.describe() +
                          ": the encryption that is unfinished is not one of this volume" +
                          (found.problem.empty() ? "" : ": " + found.problem),
                      "Nothing was written. Look at the header with `cryptsetup luksDump " +
                          session.device().node + "`.");
}

base::Status encryptData(const Session &session, const OpenedInFlight &opened) {
    luks::ReencryptionControl control;
    control.progress = [&](std::uint64_t done, std::uint64_t total) {
        session.reporter().progress(done, total);
    };
    control.pause = [](std::chrono::milliseconds time) {
        return waitUnlessStopped(static_cast<int>(time.count()));
    };
    control.rate = session.options().rate;
    const luks::ReencryptionKey key{
        .passphrase = opened.passphrase, .oldSlot = {}, .newSlot = opened.slot};
    auto end = luks::runReencryption(session.device().node, {}, key, control);
    if (!end) {
        auto error = std::move(end).error();
        if (error.hint.empty())
            error.hint = "Its data is not lost: `volumecryptctl encrypt " + session.id().text() +
                         "` goes on.";
        return base::fail(std::move(error).because(session.describe()));
    }
    if (*end != luks::ReencryptionEnd::Stopped) return {};
    VC_TRY(checkStop());
    return base::fail(ErrorCode::Internal, session.describe() + ": the encryption stopped");
}

// The last header of the encryption and the first of the volume are one write.
base::Status endEncryption(const Session &session, const OpenedInFlight &opened, FoundRecord found,
                           const base::SecretBuffer &recordKey) {
    model::Record &record = *found.record;
    record.job.reset();
    auto ended = luks::finishReencryption(
        session.device().node,
        {.moves = {}, .token = found.token, .tokenJson = sealRecord(record, recordKey)});
    if (!ended) return base::fail(std::move(ended).error().because(session.describe()));
    base::log(base::Severity::Notice, "Encrypted " + session.describe() + " in place",
              {{"MESSAGE_ID", std::string(base::message_id::kVolumeEncrypted)},
               {"VOLUME", session.id().text()},
               {"OPERATION", "encrypt"}});
    VC_ASSIGN(const luks::HeaderCopy header, readHeader(session));
    return writePin(session, header.view, opened.volumeKey, record.machine);
}

}  // namespace

base::Status runEncryption(const Session &session, KeyRing &ring) {
    VC_ASSIGN(const OpenedInFlight opened, openInFlight(session, ring));
    const base::SecretBuffer recordKey = keys::recordKey(opened.volumeKey);
    VC_ASSIGN(FoundRecord found, ownRecord(session, opened, recordKey));
    VC_TRY(encryptData(session, opened));
    return endEncryption(session, opened, std::move(found), recordKey);
}

base::Result<std::optional<unsigned>> mapEncryption(const Session &session, KeyRing &ring,
                                                    const luks::ActivationOptions &options) {
    VC_ASSIGN(const OpenedInFlight opened, openInFlight(session, ring));
    const base::SecretBuffer recordKey = keys::recordKey(opened.volumeKey);
    VC_ASSIGN(FoundRecord found, ownRecord(session, opened, recordKey));
    const std::string &device = session.device().node;
    const luks::ReencryptionKey key{
        .passphrase = opened.passphrase, .oldSlot = {}, .newSlot = opened.slot};
    auto end = luks::recoverReencryption(device, key);
    if (!end) return base::fail(std::move(end).error().because(session.describe()));
    if (*end != luks::ReencryptionEnd::Stopped) {
        VC_TRY(endEncryption(session, opened, std::move(found), recordKey));
        return std::optional<unsigned>();
    }
    auto mapped = luks::activateInFlight(device, model::mappingName(session.id()),
                                         opened.passphrase, options);
    if (!mapped) return base::fail(std::move(mapped).error().because(session.describe()));
    return std::optional<unsigned>(opened.slot);
}

}  // namespace volumecrypt::volume
