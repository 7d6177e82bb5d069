// SPDX-License-Identifier: Apache-2.0
// Tries the secret in every slot, and compares the volume with what is remembered of it.
#include <utility>

#include "base/recovery_key.h"
#include "keys/derivations.h"
#include "volume/decryption.h"
#include "volume/kdf_lock.h"
#include "volume/key_failures.h"
#include "volume/maker.h"
#include "volume/pin.h"
#include "volume/record_book.h"
#include "volume/stop.h"
#include "volume/unfinished_job.h"

namespace volumecrypt::volume {
namespace {

using base::ErrorCode;

base::Result<bool> trySlots(const base::SecretBuffer &secret, OpenedBySecret &opened,
                            KeyFailures &failures) {
    for (const auto &[number, slot] : opened.header.view.slots) {
        VC_TRY(checkStop());
        auto key = luks::openSlot(opened.header, number, secret);
        if (!key && noKeyWasTried(key.error())) return base::fail(std::move(key).error());
        if (!key) {
            if (key.error().code != ErrorCode::KeyRejected) failures.add(key.error());
            continue;
        }
        opened.volumeKey = std::move(*key);
        opened.slot = number;
        return true;
    }
    return false;
}

base::Error notOurs(const Session &session, const std::string &why) {
    return {ErrorCode::ForeignVolume,
            session.describe() + " is not a volume that volumecrypt made or took over: " + why,
            "Nothing was written. To take it over, declare its `encryption`, run `volumecryptctl "
            "sync " +
                session.id().text() +
                "` with a key that opens it, and take the declaration away again."};
}

}  // namespace

base::Result<OpenedBySecret> openBySecret(const Session &session, luks::HeaderCopy header) {
    const base::SecretBuffer *secret = session.secret();
    const std::string id = session.id().text();
    if (secret == nullptr)
        return base::fail(ErrorCode::NoUsableKey,
                          session.describe() +
                              " is declared without encryption, so no key of it is declared: a "
                              "passphrase or a recovery key is needed to decrypt it",
                          "Nothing was written. Give one: `volumecryptctl decrypt " + id +
                              "` asks for it. A volume that only sealed keys open needs one "
                              "first: declare its `encryption` again and run `volumecryptctl "
                              "add-key " +
                              id + "`.");
    OpenedBySecret opened{.header = std::move(header), .volumeKey = {}};
    KeyFailures failures;
    if (const auto recovery = base::normalizeRecoveryKey(*secret);
        recovery && !(*recovery == *secret)) {
        VC_ASSIGN(const bool found, trySlots(*recovery, opened, failures));
        if (found) return opened;
    }
    VC_ASSIGN(const bool found, trySlots(*secret, opened, failures));
    if (found) return opened;
    return base::fail(ErrorCode::KeyRejected,
                      session.describe() + ": the given secret opens none of its key slots" +
                          (failures.reasons().empty() ? "" : " (" + failures.reasons() + ")"),
                      "Nothing was written. Check the passphrase.");
}

base::Status expectOurs(const Session &session, const OpenedBySecret &opened) {
    const model::HeaderView &view = opened.header.view;
    const base::SecretBuffer recordKey = keys::recordKey(opened.volumeKey);
    const FoundRecord found = authenticateRecord(session, view, recordKey);
    if (!found.record)
        return base::fail(
            notOurs(session, found.problem.empty() ? "it has no record of ours" : found.problem));
    // Whoever renames a volume and takes its encryption away in one go may have meant another one.
    if (found.former)
        return base::fail(ErrorCode::ForeignVolume,
                          session.describe() + ": its record names it " + found.former->text(),
                          "Nothing was written. Declare it under that name, without `encryption`; "
                          "rename it once it is plain.");
    if (found.record->job) return base::fail(jobUnfinished(session, *found.record->job));
    VC_TRY(checkPin(session, view, opened.volumeKey, found.former));
    VC_ASSIGN(const Maker maker, findMaker(session, view, found, recordKey));
    if (maker == Maker::Elsewhere)
        return base::fail(notOurs(session, "it was made by another machine"));
    if (found.record->phase == model::Phase::Ready) return {};
    return base::fail(
        ErrorCode::Unsupported, session.describe() + ": its first attach was not finished",
        "Nothing was written. There is no data in it: `volumecryptctl wipe " + session.id().text() +
            "`, and the next attach makes a plain file system.");
}

}  // namespace volumecrypt::volume
