// SPDX-License-Identifier: Apache-2.0
// Looks at every block of the header: it is of the one or of the other, or somebody else was there.
#include "volume/interrupted_restore.h"

#include <string>
#include <utility>

#include "base/journal.h"
#include "luks/header_restore.h"
#include "volume/device_state.h"
#include "volume/header_backup.h"
#include "volume/stop.h"

namespace volumecrypt::volume {
namespace {

using base::ErrorCode;
using luks::RestoreState;

struct Kept {
    base::UniqueFd before;
    luks::HeaderImage wanted;
};

base::Result<Kept> readKept(const Session &session) {
    Kept kept;
    VC_ASSIGN(const base::UniqueFd wanted, openBackup(session, kept_for::kRestored));
    VC_ASSIGN(kept.wanted, luks::readBackup(wanted.get(), session.device().size, checkStop));
    VC_ASSIGN(const base::UniqueFd before, openBackup(session, kept_for::kRestore));
    VC_ASSIGN(kept.before, luks::rawCopy(before.get(), kept.wanted.size));
    return kept;
}

void leaveAlone(const Session &session, const std::string &why) {
    const std::string id = session.id().text();
    session.reporter().warning(
        ErrorCode::HeaderCorrupt,
        session.describe() + ": a restore of its header was interrupted, and " + why +
            ": it is left as it is. `volumecryptctl restore-header " + id +
            " FILE` restores it anew; what was there before is " +
            session.options().paths.headerBackup(session.id(), kept_for::kRestore));
}

// Early in boot the root may be read-only: sync comes later, and finds that it is done.
void endQuietly(const Session &session) {
    if (auto ended = endRestore(session); !ended)
        session.reporter().warning(ended.error().code, ended.error().message);
}

base::Status finish(const Session &session, const Kept &kept) {
    VC_TRY(expectWritable(session));
    VC_ASSIGN(const base::UniqueFd device, blockdev::openDevice(session.device(), true));
    VC_TRY(luks::restoreHeader(device.get(), kept.before.get(), kept.wanted));
    const std::string text =
        session.describe() + ": finished a restore of its header that was interrupted";
    session.reporter().warning(ErrorCode::HeaderCorrupt, text);
    base::log(base::Severity::Notice, text,
              {{"VOLUME", session.id().text()}, {"OPERATION", "restore-header"}});
    endQuietly(session);
    return {};
}

}  // namespace

base::Result<base::UniqueFd> beginRestore(const Session &session, int device,
                                          const luks::HeaderImage &wanted) {
    VC_ASSIGN(base::UniqueFd before, luks::rawCopy(device, wanted.size));
    VC_TRY(keepBackup(session, kept_for::kRestore, before.get(), wanted.size));
    // Only with this one is there a restore to be finished.
    VC_TRY(keepBackup(session, kept_for::kRestored, wanted.copy.memory.get(), wanted.size));
    return before;
}

base::Status endRestore(const Session &session) {
    VC_TRY(dropBackup(session, kept_for::kRestored));
    return dropBackup(session, kept_for::kRestore);
}

base::Status settleRestore(const Session &session) {
    VC_ASSIGN(const bool begun, hasBackup(session, kept_for::kRestored));
    VC_ASSIGN(const bool kept, hasBackup(session, kept_for::kRestore));
    if (!begun || !kept) {
        // Nothing was written to the device, or all; a half of one of them may be left.
        endQuietly(session);
        return {};
    }
    const auto both = readKept(session);
    if (!both && both.error().code == ErrorCode::Cancelled) return base::fail(both.error());
    if (!both) {
        leaveAlone(session, "what was kept of it cannot be used (" + both.error().message + ")");
        return {};
    }
    VC_ASSIGN(const base::UniqueFd device, blockdev::openDevice(session.device(), false));
    VC_ASSIGN(const RestoreState state,
              luks::restoreStateOf(device.get(), both->before.get(), both->wanted));
    switch (state) {
        case RestoreState::Before:
        case RestoreState::After:
            endQuietly(session);
            return {};
        case RestoreState::Neither:
            leaveAlone(session, "its header was changed since");
            return {};
        case RestoreState::Between:
            break;
    }
    auto finished = finish(session, *both);
    if (!finished) return base::fail(std::move(finished).error().because(session.describe()));
    return {};
}

}  // namespace volumecrypt::volume
