// SPDX-License-Identifier: Apache-2.0
// Zeroes, discards, and the mark that makes an interrupted wipe go on.
#include "engine/device_wipe.h"

#include <algorithm>
#include <cerrno>
#include <vector>

#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <fcntl.h>
#include <unistd.h>

#include "base/files.h"
#include "base/journal.h"
#include "engine/pin.h"
#include "engine/state_meta.h"
#include "luks/header_build.h"

namespace volumecrypt::engine {
namespace {

constexpr std::uint64_t kEnd = std::uint64_t{16} << 20;
constexpr std::uint64_t kChunk = std::uint64_t{1} << 20;
// The marker's own sector, see luks/header_build.h.
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

std::string stagePath(const Session &session) {
    return session.options().paths.below("/var/lib/volumecrypt/wipe/" + session.id().text());
}

}  // namespace

base::Status wipeDevice(const Session &session) {
    VC_ASSIGN(const blockdev::ExclusiveDevice exclusive,
              blockdev::openExclusively(session.device()));
    VC_TRY(dropPin(session));
    if (auto done = wipeOpened(session, exclusive.device.get()); !done)
        return base::fail(std::move(done).error().because(session.describe() + ": wipe"));
    VC_TRY(clearStateEncryption(session));
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
    return base::writeFileAtomically(stagePath(session), content.uuid + "\n", 0600);
}

base::Result<std::string> stagedWipe(const Session &session) {
    struct stat info {};
    if (::stat(stagePath(session).c_str(), &info) < 0) return std::string();
    return base::readFile(stagePath(session), 4096);
}

bool isStaged(const std::string &staged, const blockdev::Content &content) {
    return !content.uuid.empty() && staged == content.uuid + "\n";
}

void dropStagedWipe(const Session &session) {
    // A file that stays behind names content that is no longer there.
    (void)::unlink(stagePath(session).c_str());
}

}  // namespace volumecrypt::engine
