// SPDX-License-Identifier: Apache-2.0
// state/shrink/ID: the UUID of the file system and the size of its device, while the former's size
// is being changed.
#include "volume/shrink_note.h"

#include <cerrno>
#include <charconv>
#include <string>
#include <utility>

#include <unistd.h>

#include "base/files.h"
#include "blockdev/filesystem_extent.h"
#include "volume/early_state.h"

namespace volumecrypt::volume {
namespace {

using base::ErrorCode;

std::string noteOf(const Session &session) {
    return session.options().paths.stateDir() + "/shrink/" + session.id().text();
}

// resize2fs cuts off what it has no use for, where it can: of a plain file.
base::Status giveSizeAgain(const Session &session, std::uint64_t size) {
    const blockdev::Device &device = session.device();
    if (!device.isFile || device.size > size) return {};
    if (::truncate(device.node.c_str(), static_cast<off_t>(size)) == 0) return {};
    return base::fail(base::errnoError("give " + device.node + " its size again", errno));
}

base::Status note(const Session &session) {
    VC_ASSIGN(const base::UniqueFd fd, blockdev::openDevice(session.device(), false));
    VC_ASSIGN(const std::string uuid, blockdev::extUuid(fd.get()));
    auto noted = rememberEarly(session, noteOf(session),
                               uuid + " " + std::to_string(session.device().size) + "\n");
    if (noted) return {};
    auto error = std::move(noted).error();
    if (error.hint.empty()) error.hint = "Make the root file system writable, then try again.";
    return base::fail(std::move(error).because(
        session.describe() +
        ": that its file system is made smaller cannot be remembered, so nothing was done"));
}

base::Status mendNoted(const Session &session, const std::string &text) {
    const std::size_t space = text.find(' ');
    if (space == std::string::npos) return {};
    std::uint64_t size = 0;
    (void)std::from_chars(text.data() + space + 1, text.data() + text.size(), size);
    VC_ASSIGN(const base::UniqueFd fd, blockdev::openDevice(session.device(), false));
    VC_ASSIGN(const std::string uuid, blockdev::extUuid(fd.get()));
    // Another one, or one that is encrypted by now.
    if (uuid.empty() || uuid != text.substr(0, space)) return {};
    VC_TRY(giveSizeAgain(session, size));
    return blockdev::mendShrunk(session.device().node);
}

}  // namespace

base::Status makeRoom(const Session &session, const PlainContent &plain) {
    const bool isExt = plain.extent.type.starts_with("ext");
    if (isExt) VC_TRY(note(session));
    auto done = blockdev::shrinkFilesystem(session.device().node, plain.extent, plain.most);
    VC_TRY(giveSizeAgain(session, session.device().size));
    // What the program refused it has not begun.
    if (isExt && (done || done.error().code == ErrorCode::NoSpace))
        VC_TRY(forgetFile(noteOf(session)));
    if (done) return {};
    return base::fail(std::move(done).error().because(
        session.describe() + ": its file system could not be made smaller"));
}

base::Status mendRoom(const Session &session) {
    const std::string path = noteOf(session);
    VC_ASSIGN(const bool there, isRemembered(path));
    if (!there) return {};
    VC_ASSIGN(const std::string text, base::readFile(path, 4096));
    if (auto mended = mendNoted(session, text); !mended)
        return base::fail(std::move(mended).error().because(
            session.describe() +
            ": its file system was being made smaller when that was interrupted"));
    return forgetFile(path);
}

}  // namespace volumecrypt::volume
