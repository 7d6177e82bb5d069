// SPDX-License-Identifier: Apache-2.0
// attach: from a device to a volume that can be mounted; formats it first when it is blank.
#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

#include "base/files.h"
#include "base/journal.h"
#include "blockdev/filesystem.h"
#include "blockdev/udev_notice.h"
#include "engine/verbs.h"
#include "luks/mapping.h"
#include "model/names.h"
#include "volume/comparison.h"
#include "volume/content_room.h"
#include "volume/device_state.h"
#include "volume/device_wipe.h"
#include "volume/encryption.h"
#include "volume/first_header.h"
#include "volume/interrupted_restore.h"
#include "volume/pin.h"
#include "volume/state_meta.h"
#include "volume/stop.h"
#include "volume/unfinished_job.h"
#include "volume/unlock.h"
#include "volume/volume_key_change.h"

namespace volumecrypt::engine {
namespace {

using base::ErrorCode;
using blockdev::ContentKind;

// Remains of a mkfs that was interrupted, or the mark of a wipe, would make mkfs refuse.
base::Status clearSignatures(int fd, const std::string &path) {
    constexpr std::uint64_t kEnd = std::uint64_t{1} << 20;
    const off_t size = ::lseek(fd, 0, SEEK_END);
    if (size < 0) return base::fail(base::errnoError("find the size of " + path, errno));
    const std::uint64_t length = std::min(kEnd, static_cast<std::uint64_t>(size));
    const std::vector<std::byte> zeros(length);
    VC_TRY(base::writeExactly(fd, zeros, 0));
    VC_TRY(base::writeExactly(fd, zeros, static_cast<std::uint64_t>(size) - length));
    if (::fsync(fd) < 0) return base::fail(base::errnoError("flush " + path, errno));
    return {};
}

void logUnlocked(const volume::Session &session, const volume::Unlocked &unlocked) {
    const std::string slot = std::to_string(unlocked.slot);
    const std::string &failures = unlocked.failures;
    base::log(base::Severity::Notice,
              "Unlocked " + session.describe() + " by key slot " + slot +
                  (failures.empty() ? "" : " (" + failures + ")"),
              {{"MESSAGE_ID", std::string(base::message_id::kVolumeUnlocked)},
               {"VOLUME", session.id().text()},
               {"SLOT", slot},
               {"OPERATION", "attach"}});
}

void tellWhose(const volume::Session &session, const volume::OpenedVolume &volume) {
    if (volume.maker == volume::Maker::Elsewhere) volume::warnOfOtherMachine(session);
    if (!volume.unlocked.formerName) return;
    session.reporter().warning(ErrorCode::KeyRejected,
                               session.describe() + " was opened by the key of its former name " +
                                   volume.unlocked.formerName->text() +
                                   "; the next sync makes its nodeID keys anew");
}

// What an error that says no more than that the device is in use does not say.
base::Error stillOpen(const volume::Session &session, base::Error error,
                      const model::VolumeId &former) {
    const auto mapping = luks::findMapping(model::mappingName(former));
    if (!mapping || !*mapping || (*mapping)->backingDevice != session.device().number) return error;
    error.message += ": it is still open under its former name " + former.text();
    error.hint =
        "`volumecryptctl apply` locks what left the configuration; so does `systemctl stop "
        "volumecrypt@" +
        former.text() + ".service`.";
    return error;
}

luks::ActivationOptions activationOptions(const volume::Session &session) {
    luks::ActivationOptions options;
    options.allowDiscards = session.encryption().allowDiscards;
    options.performance = session.encryption().options;
    return options;
}

base::Status activate(const volume::Session &session, const volume::OpenedVolume &volume) {
    const luks::ActivationOptions options = activationOptions(session);
    auto done =
        luks::activate(volume.header, session.device().node, model::mappingName(session.id()),
                       volume.unlocked.volumeKey, options);
    if (done) return {};
    auto error = std::move(done).error();
    if (error.code == ErrorCode::Busy && volume.found.former)
        error = stillOpen(session, std::move(error), *volume.found.former);
    return base::fail(std::move(error).because(session.describe()));
}

// Exclusively: whoever has mounted it, whatever the record says, keeps it.
base::Status clearMapping(const std::string &mapping) {
    VC_ASSIGN(const base::UniqueFd fd, base::openFile(mapping, O_RDWR | O_EXCL));
    return clearSignatures(fd.get(), mapping);
}

base::Status commitPhase(const volume::Session &session, volume::OpenedVolume &volume,
                         model::Phase phase) {
    model::Record &record = *volume.found.record;
    record.phase = phase;
    const auto store = luks::openHeaderStore(session.device().node);
    return store->setToken(*volume.found.token, volume::sealRecord(record, volume.recordKey));
}

// Why the mapping of a volume that is not `ready` must keep what it holds; empty when it need not.
// Its header may be older than its data: a backup from before the first attach was restored, or
// somebody opened the new volume by hand and made a file system of his own.
base::Result<std::string> whyKeep(const volume::Session &session, const model::Record &record) {
    VC_ASSIGN(const bool pinned, volume::hasPin(session));
    if (pinned) return std::string("this machine remembers it as in use");
    // Ours then, and it may be half made.
    if (record.phase == model::Phase::Filling) return std::string();
    const std::string mapping = model::mappingPath(session.id());
    VC_ASSIGN(const base::UniqueFd fd, base::openFile(mapping, O_RDONLY));
    const off_t size = ::lseek(fd.get(), 0, SEEK_END);
    if (size < 0) return base::fail(base::errnoError("find the size of " + mapping, errno));
    VC_ASSIGN(const blockdev::Content content,
              blockdev::probeContent(fd.get(), static_cast<std::uint64_t>(size)));
    if (content.kind == ContentKind::Blank || content.kind == ContentKind::Unknown)
        return std::string();
    return "it holds " + content.describe();
}

base::Status fill(const volume::Session &session) {
    const std::string mapping = model::mappingPath(session.id());
    VC_TRY(clearMapping(mapping));
    if (auto made = blockdev::makeFilesystem(session.spec().filesystem, mapping); !made)
        return base::fail(std::move(made).error().because(session.describe()));
    if (!blockdev::awaitUdevNotice(mapping, session.options().paths.below("/run/udev")))
        session.reporter().warning(
            ErrorCode::Io, session.describe() + ": udev does not see the new file system on " +
                               mapping + "; what waits for that device may wait in vain");
    return {};
}

// The file system, then the record's phase: nobody can have stored anything before `ready` is on
// the disk.
base::Status finishFirstAttach(const volume::Session &session, volume::OpenedVolume &volume) {
    VC_ASSIGN(const std::string keep, whyKeep(session, *volume.found.record));
    if (!keep.empty()) {
        session.reporter().warning(ErrorCode::NotBlank,
                                   session.describe() +
                                       ": its header says that it was never used, but " + keep +
                                       ": what is in it is left as it is");
    } else if (session.spec().filesystem.type != model::FilesystemType::None) {
        VC_TRY(volume::expectRoom(session, volume.header.view));
        VC_TRY(commitPhase(session, volume, model::Phase::Filling));
        VC_TRY(fill(session));
    }
    return commitPhase(session, volume, model::Phase::Ready);
}

// Already mapped is success; but an attach that was killed before its volume was `ready` left one
// without a file system, which this one finishes.
base::Result<volume::Outcome> attachMapped(volume::Session &session) {
    volume::Outcome outcome;
    outcome.state = model::VolumeState::Unlocked;
    // Opened by whoever reencrypts it.
    if (volume::reencryptingHeader(session)) {
        outcome.state = model::VolumeState::Reencrypting;
        return outcome;
    }
    VC_ASSIGN(luks::HeaderCopy header, volume::readHeader(session));
    const volume::FoundRecord found = volume::peekRecord(header.view);
    volume::KeyRing ring(session);
    if (!found.record || found.record->phase == model::Phase::Ready) {
        // Being open already says nothing of a secret that came along.
        if (session.secret() != nullptr) VC_TRY(volume::unlock(session, header, ring));
        return outcome;
    }
    VC_ASSIGN(volume::OpenedVolume volume, volume::openVolume(session, ring, std::move(header)));
    VC_TRY(volume::checkPin(session, volume.header.view, volume.unlocked.volumeKey,
                            volume.found.former));
    if (!volume.found.record || volume.found.record->phase == model::Phase::Ready) return outcome;
    session.reporter().warning(
        ErrorCode::Internal,
        session.describe() + ": finishing a first attach that was interrupted");
    VC_TRY(finishFirstAttach(session, volume));
    VC_TRY(
        volume::writePin(session, volume.header.view, volume.unlocked.volumeKey, volume.ownMark()));
    outcome.changed = true;
    return outcome;
}

// A wipe that was staged while the volume was in use.
base::Status takeStagedWipe(volume::Session &session) {
    VC_ASSIGN(const std::string staged, volume::stagedWipe(session));
    if (staged.empty()) return {};
    VC_ASSIGN(const volume::DeviceContent found, volume::lookAtDevice(session));
    if (!volume::isStaged(staged, found.content)) return {};
    VC_TRY(volume::expectWritable(session));
    VC_TRY(volume::wipeDevice(session));
    volume::dropStagedWipe(session);
    session.dropMetasEncryption();
    return {};
}

// One whole copy is enough to work with: where the other cannot be written the disk is at fault.
void repair(const volume::Session &session) {
    if (auto repaired = luks::repairHeader(session.device().node); !repaired)
        session.reporter().warning(repaired.error().code,
                                   session.describe() + ": " + repaired.error().message +
                                       "; back its data up while it can be read");
}

// What is written once the volume is open.
base::Status remember(volume::Session &session, const volume::OpenedVolume &volume) {
    VC_TRY(
        volume::writePin(session, volume.header.view, volume.unlocked.volumeKey, volume.ownMark()));
    if (volume.header.needsRepair) repair(session);
    // What META says must open STATE at the next boot: after a sync it does in any case.
    if (volume.unlocked.declaredSlot) volume::saveStateEncryption(session);
    return {};
}

// An encryption in place was interrupted. Where all data is encrypted, its end comes before
// anything can use the room at the end of the volume, and it is as any other. Whether the volume is
// mapped now, in flight.
base::Result<bool> attachHalfEncrypted(const volume::Session &session, volume::KeyRing &ring,
                                       volume::Outcome &outcome) {
    VC_ASSIGN(const auto slot, volume::mapEncryption(session, ring, activationOptions(session)));
    if (!slot) return false;
    session.reporter().warning(ErrorCode::Busy,
                               session.describe() +
                                   ": its encryption is unfinished: it goes on when "
                                   "`volumecryptctl encrypt " +
                                   session.id().text() + "` is run while the volume is locked");
    outcome.state = model::VolumeState::Reencrypting;
    outcome.changed = true;
    outcome.extra["unlockedBySlot"] = *slot;
    return true;
}

// A change of the volume key was interrupted. Whether the volume is mapped now, in flight; if not,
// it is as any other.
base::Result<bool> attachInFlight(volume::Session &session, volume::KeyRing &ring,
                                  volume::Outcome &outcome) {
    VC_ASSIGN(luks::HeaderCopy header, volume::readHeaderOfJob(session));
    VC_ASSIGN(const volume::OpenedVolume volume,
              volume::openWithJob(session, ring, std::move(header)));
    if (!volume::isBegun(volume.header.view, *volume.found.record->job)) {
        VC_TRY(volume::withdrawKeyChange(session, volume));
        return false;
    }
    VC_ASSIGN(const luks::ReencryptionEnd end, volume::settleKeyChange(session, volume, ring));
    if (end != luks::ReencryptionEnd::Stopped) return false;
    VC_TRY(volume::mapInFlight(session, volume, ring, activationOptions(session)));
    session.reporter().warning(ErrorCode::Busy,
                               volume::jobUnfinished(session, *volume.found.record->job).message +
                                   ": it goes on when `volumecryptctl rotate-volume-key " +
                                   session.id().text() + "` is run while the volume is locked");
    logUnlocked(session, volume.unlocked);
    outcome.state = model::VolumeState::Reencrypting;
    outcome.changed = true;
    outcome.extra["unlockedBySlot"] = volume.unlocked.slot;
    return true;
}

base::Result<volume::Outcome> attachEncrypted(volume::Session &session) {
    // libcryptsetup would refuse it in other words, and a mount would write.
    VC_TRY(volume::expectWritable(session));
    volume::Outcome outcome;
    outcome.state = model::VolumeState::Unlocked;
    VC_TRY(volume::settleRestore(session));
    VC_ASSIGN(volume::DeviceContent found, volume::lookAtDevice(session));
    volume::KeyRing ring(session);
    if (found.interruptedFormat || found.content.kind == ContentKind::Blank) {
        VC_TRY(volume::mayFormat(session));
        VC_TRY(volume::formatDevice(session, ring, false));
        VC_ASSIGN(found, volume::lookAtDevice(session));
    }
    if (volume::isBeingEncrypted(session)) {
        VC_ASSIGN(const bool mapped, attachHalfEncrypted(session, ring, outcome));
        if (mapped) return outcome;
    } else if (volume::hasJob(session)) {
        VC_ASSIGN(const bool mapped, attachInFlight(session, ring, outcome));
        if (mapped) return outcome;
    }
    VC_ASSIGN(luks::HeaderCopy header, volume::readHeader(session, found));
    VC_ASSIGN(volume::OpenedVolume volume, volume::openVolume(session, ring, std::move(header)));
    const model::HeaderView &view = volume.header.view;
    VC_TRY(volume::checkPin(session, view, volume.unlocked.volumeKey, volume.found.former));
    VC_TRY(volume::checkStop());
    VC_TRY(activate(session, volume));
    tellWhose(session, volume);
    outcome.changed = true;
    if (volume.found.record && volume.found.record->phase != model::Phase::Ready) {
        if (auto finished = finishFirstAttach(session, volume); !finished) {
            // Without its file system the volume is of no use: locked again, the next attach starts
            // that part over.
            auto closed = luks::deactivate(model::mappingName(session.id()), false);
            if (!closed) session.reporter().warning(closed.error().code, closed.error().message);
            return base::fail(std::move(finished).error());
        }
    }
    // What a newer version wrote is used, and left to it: its pin may say more than ours would.
    if (volume.found.trust != model::RecordTrust::Newer) VC_TRY(remember(session, volume));
    logUnlocked(session, volume.unlocked);
    outcome.extra["unlockedBySlot"] = volume.unlocked.slot;
    outcome.text = session.describe() + ": unlocked by key slot " +
                   std::to_string(volume.unlocked.slot) + " as " + model::mappingPath(session.id());
    return outcome;
}

base::Result<volume::Outcome> attachAny(volume::Session &session) {
    if (session.spec().encryption) {
        VC_ASSIGN(const bool mapped, volume::isMapped(session));
        if (mapped) return attachMapped(session);
    }
    VC_TRY(takeStagedWipe(session));
    return session.spec().encryption ? attachEncrypted(session) : attachPlain(session);
}

// By a given secret, whether that opened it or fits one that was open: maybe no declared key opens
// it any more, and then no later sync could bring them back in. A failure leaves the volume open.
void bringKeysIn(volume::Session &session) {
    auto synced = syncKeys(session);
    if (!synced)
        session.reporter().warning(
            synced.error().code,
            "the declared keys could not be brought in: " + synced.error().message);
}

}  // namespace

base::Result<volume::Outcome> attach(volume::Session &session) {
    VC_TRY(session.readSecrets());
    VC_TRY(session.loadSpec());
    VC_TRY(session.findDevice());
    if (session.device().isFile && session.spec().encryption)
        return base::fail(ErrorCode::Unsupported,
                          session.describe() + " is a plain file: it cannot be mapped",
                          "Set a loop device up for it (`losetup --find --show " +
                              session.device().node + "`) and declare that.");
    VC_TRY(session.lock());
    VC_ASSIGN(volume::Outcome outcome, attachAny(session));
    if (model::isOpen(outcome.state) && session.secret() != nullptr) bringKeysIn(session);
    if (session.id().kind() == model::VolumeKind::State) VC_TRY(volume::linkContent(session));
    return outcome;
}

}  // namespace volumecrypt::engine
