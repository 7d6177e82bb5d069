// SPDX-License-Identifier: Apache-2.0
// Wipes a device: zeroes, discards, and the mark that makes an interrupted wipe go on.
#include "volume/device_wipe.h"

#include <algorithm>
#include <cerrno>
#include <vector>

#include <linux/fs.h>
#include <sys/ioctl.h>

#include <fcntl.h>
#include <unistd.h>

#include "base/files.h"
#include "base/journal.h"
#include "luks/header_write.h"
#include "volume/early_state.h"
#include "volume/header_backup.h"
#include "volume/pin.h"
#include "volume/state_meta.h"
#include "volume/stop.h"

namespace volumecrypt::volume {
namespace {

constexpr std::uint64_t kEnd = std::uint64_t{16} << 20;
constexpr std::uint64_t kChunk = std::uint64_t{1} << 20;
// The marker's own sector, see luks/header_write.h.
constexpr std::uint64_t kMarkerSize = 4096;

base::Status flush(int fd) {
    if (::fsync(fd) < 0) return base::fail(base::errnoError("flush the device", errno));
    return {};
}

base::Status zero(int fd, std::uint64_t from, std::uint64_t to) {
    const std::vector<std::byte> zeros(kChunk);
    for (std::uint64_t at = from; at < to; at += kChunk)
        VC_TRY(base::writeExactly(fd, std::span(zeros).first(std::min(kChunk, to - at)), at));
    return {};
}

// Best effort: not every device can.
void discard(int fd, bool isFile, std::uint64_t from, std::uint64_t to) {
    if (from >= to) return;
    std::uint64_t range[2] = {from, to - from};
    if (isFile)
        (void)::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                          static_cast<off_t>(range[0]), static_cast<off_t>(range[1]));
    else
        (void)::ioctl(fd, BLKDISCARD, range);
}

base::Status wipeOpened(const Session &session, int fd) {
    const std::uint64_t size = session.device().size;
    const std::uint64_t frontEnd = std::min(kEnd, size);
    const std::uint64_t backStart = std::max(frontEnd, size > kEnd ? size - kEnd : 0);
    VC_TRY(luks::writeFormattingMarker(fd, session.id()));
    VC_TRY(zero(fd, std::min(kMarkerSize, size), frontEnd));
    session.reporter().progress(frontEnd, size);
    VC_TRY(zero(fd, backStart, size));
    VC_TRY(flush(fd));
    discard(fd, session.device().isFile, frontEnd, backStart);
    session.reporter().progress(size, size);
    // What libblkid and the blank test see decides whether the mark is still needed.
    VC_TRY(zero(fd, 0, std::min(kMarkerSize, size)));
    VC_ASSIGN(const blockdev::Content content, blockdev::probeContent(fd, size));
    if (content.kind == blockdev::ContentKind::Blank) return flush(fd);
    return luks::writeFormattingMarker(fd, session.id());
}

base::Result<std::string> readOrder(const std::string &path) {
    VC_ASSIGN(const bool there, isRemembered(path));
    if (!there) return std::string();
    return base::readFile(path, 4096);
}

}  // namespace

base::Status wipeDevice(const Session &session) {
    VC_ASSIGN(const blockdev::ExclusiveDevice exclusive,
              blockdev::openExclusively(session.device(), checkStop));
    VC_TRY(dropPin(session));
    VC_TRY(dropBackups(session));
    if (auto done = wipeOpened(session, exclusive.device.get()); !done) {
        if (done.error().hint.empty())
            done.error().hint =
                "It may be wiped in part, and is not remembered any more: wipe it again.";
        return base::fail(std::move(done).error().because(session.describe() + ": wipe"));
    }
    if (auto cleared = clearStateEncryption(session); !cleared)
        return base::fail(std::move(cleared).error().because(
            session.describe() + " is wiped, but META still says how it was encrypted"));
    base::log(base::Severity::Notice, "Wiped " + session.describe(),
              {{"VOLUME", session.id().text()}, {"OPERATION", "wipe"}});
    return {};
}

base::Status stageWipe(const Session &session, const blockdev::Content &content) {
    if (content.uuid.empty())
        return base::fail(base::ErrorCode::Busy,
                          session.describe() +
                              " is in use, and what it holds has no UUID by which to know it again",
                          "Stop using it, then wipe it.");
    auto staged = rememberEarly(session, session.options().paths.stagedWipe(session.id()),
                                content.uuid + "\n");
    if (staged) return {};
    auto error = std::move(staged).error();
    if (error.hint.empty()) error.hint = "Stop using it, then wipe it.";
    return base::fail(std::move(error).because(session.describe() +
                                               " is in use, and the next attach cannot be told to "
                                               "wipe it, so nothing was done"));
}

base::Result<std::string> stagedWipe(const Session &session) {
    VC_TRY(checkEarlyState(session));
    const model::SystemPaths &paths = session.options().paths;
    VC_ASSIGN(const std::string staged, readOrder(paths.stagedWipe(session.id())));
    if (!staged.empty()) return staged;
    return readOrder(paths.oldStagedWipe(session.id()));
}

base::Result<bool> isStagedWipe(const Session &session, const std::string &uuid) {
    VC_ASSIGN(const std::string staged, stagedWipe(session));
    return !uuid.empty() && staged == uuid + "\n";
}

base::Status moveStagedWipe(const Session &session) {
    const model::SystemPaths &paths = session.options().paths;
    VC_ASSIGN(const std::string old, readOrder(paths.oldStagedWipe(session.id())));
    if (old.empty()) return {};
    VC_ASSIGN(const bool newer, isRemembered(paths.stagedWipe(session.id())));
    if (!newer) VC_TRY(rememberEarly(session, paths.stagedWipe(session.id()), old));
    return forgetFile(paths.oldStagedWipe(session.id()));
}

bool isStaged(const std::string &staged, const blockdev::Content &content) {
    return !content.uuid.empty() && staged == content.uuid + "\n";
}

void dropStagedWipe(const Session &session) {
    // A file that stays behind names content that is no longer there.
    (void)forgetFile(session.options().paths.stagedWipe(session.id()));
    (void)forgetFile(session.options().paths.oldStagedWipe(session.id()));
}

base::Status dropFormerWipe(const Session &session, const model::VolumeId &former,
                            const std::string &uuid) {
    const model::SystemPaths &paths = session.options().paths;
    for (const std::string &path : {paths.stagedWipe(former), paths.oldStagedWipe(former)}) {
        VC_ASSIGN(const std::string order, readOrder(path));
        if (uuid.empty() || order != uuid + "\n") continue;
        VC_TRY(forgetFile(path));
        session.reporter().warning(
            base::ErrorCode::NotBlank,
            session.describe() + ": a wipe was ordered under its former name " + former.text() +
                " and was not carried out; `volumecryptctl wipe " + session.id().text() +
                "` orders it anew");
    }
    return {};
}

}  // namespace volumecrypt::volume
