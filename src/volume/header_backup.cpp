// SPDX-License-Identifier: Apache-2.0
// Files /etc/volumecrypt/state/backups/ID.REASON.
#include "volume/header_backup.h"

#include <filesystem>
#include <functional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <fcntl.h>

#include "base/mapped_bytes.h"
#include "volume/device_state.h"
#include "volume/early_state.h"

namespace volumecrypt::volume {
namespace {

std::string pathOf(const Session &session, std::string_view keptFor) {
    return session.options().paths.headerBackup(session.id(), keptFor);
}

tl::unexpected<base::Error> about(const Session &session, base::Error error) {
    return base::fail(
        std::move(error).because(session.describe() + ": the kept backup of its header"));
}

// Those whose name fits. How many there were.
base::Result<unsigned> dropFiles(const Session &session,
                                 const std::function<bool(const std::string &)> &fits) {
    VC_TRY(checkEarlyState(session));
    const std::string directory = session.options().paths.headerBackupDir();
    VC_ASSIGN(const bool there, isRemembered(directory));
    if (!there) return 0U;
    std::vector<std::string> found;
    std::error_code code;
    for (std::filesystem::directory_iterator entry(directory, code), end; !code && entry != end;
         entry.increment(code))
        if (fits(entry->path().filename().string())) found.push_back(entry->path());
    if (code) return about(session, base::errnoError("look into " + directory, code.value()));
    for (const std::string &path : found)
        if (auto dropped = forgetFile(path); !dropped)
            return about(session, std::move(dropped).error());
    return static_cast<unsigned>(found.size());
}

}  // namespace

base::Result<std::string> keepBackup(const Session &session, std::string_view keptFor) {
    auto image = luks::imageOf(session.device().node);
    if (!image) {
        auto error = std::move(image).error();
        error.hint = forDevice(session, error.hint);
        return base::fail(std::move(error).because(session.describe()));
    }
    return keepBackup(session, keptFor, image->copy.memory.get(), image->size);
}

base::Result<std::string> keepBackup(const Session &session, std::string_view keptFor, int memory,
                                     std::uint64_t size) {
    const std::string path = pathOf(session, keptFor);
    VC_ASSIGN(const base::MappedBytes bytes, base::MappedBytes::of(memory, size));
    if (auto kept = rememberEarly(session, path, bytes.view()); !kept)
        return about(session, std::move(kept).error());
    return path;
}

base::Result<bool> hasBackup(const Session &session, std::string_view keptFor) {
    VC_TRY(checkEarlyState(session));
    return isRemembered(pathOf(session, keptFor));
}

base::Result<base::UniqueFd> openBackup(const Session &session, std::string_view keptFor) {
    VC_TRY(checkEarlyState(session));
    return base::openFile(pathOf(session, keptFor), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
}

base::Status dropBackup(const Session &session, std::string_view keptFor) {
    const std::string name = session.id().text() + "." + std::string(keptFor);
    VC_TRY(dropFiles(session, [&](const std::string &file) {
        return file == name || file.starts_with(name + ".");
    }));
    return {};
}

base::Result<unsigned> dropBackups(const Session &session) {
    // No ID has a dot.
    const std::string begin = session.id().text() + ".";
    return dropFiles(session, [&](const std::string &file) { return file.starts_with(begin); });
}

}  // namespace volumecrypt::volume
