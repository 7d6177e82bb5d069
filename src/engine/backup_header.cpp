// SPDX-License-Identifier: Apache-2.0
// backup-header: the LUKS2 header to a file that the caller opened.
#include <cerrno>
#include <utility>
#include <vector>

#include <sys/stat.h>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include "base/files.h"
#include "base/journal.h"
#include "base/mount_info.h"
#include "engine/verbs.h"
#include "luks/header_backup.h"
#include "model/names.h"
#include "volume/device_state.h"
#include "volume/interrupted_restore.h"
#include "volume/stop.h"

namespace volumecrypt::engine {
namespace {

using base::ErrorCode;

// Where files on the volume itself are. Each subvolume of btrfs has a number of its own, which is
// not the mapping's.
base::Result<std::vector<dev_t>> filesystemsOn(const std::string &mapping) {
    std::vector<dev_t> numbers;
    struct stat info {};
    if (::stat(mapping.c_str(), &info) < 0) return numbers;
    numbers.push_back(info.st_rdev);
    VC_ASSIGN(const std::string mounts, base::readFile("/proc/self/mountinfo"));
    for (const base::MountEntry &mount : base::mountsOf(mounts, mapping))
        if (::stat(mount.where.c_str(), &info) == 0) numbers.push_back(info.st_dev);
    return numbers;
}

// A backup that lies on the volume is of no use when it is needed.
base::Status expectElsewhere(const volume::Session &session) {
    struct stat file {};
    if (::fstat(session.headerFile(), &file) < 0)
        return base::fail(base::errnoError("look at the file of the header backup", errno));
    VC_ASSIGN(const std::vector<dev_t> numbers, filesystemsOn(model::mappingPath(session.id())));
    for (const dev_t number : numbers)
        if (S_ISREG(file.st_mode) && file.st_dev == number)
            return base::fail(
                ErrorCode::InvalidConfig,
                session.describe() +
                    ": the file for the backup of its header lies on the volume itself, where "
                    "nobody can read it without the header",
                "Write it to another disk, best to one that is kept elsewhere.");
    return {};
}

std::vector<unsigned> slotsOf(const model::HeaderView &view) {
    std::vector<unsigned> slots;
    for (const auto &[slot, entry] : view.slots) slots.push_back(slot);
    return slots;
}

}  // namespace

base::Result<volume::Outcome> backupHeader(volume::Session &session) {
    VC_TRY(session.readSecrets());
    VC_TRY(session.loadSpec());
    VC_TRY(session.findDevice());
    if (auto fits = luks::expectPlaceForBackup(session.headerFile()); !fits)
        return base::fail(std::move(fits).error().because(session.describe()));
    VC_TRY(expectElsewhere(session));
    VC_TRY(session.lock());
    VC_TRY(volume::settleRestore(session));
    VC_ASSIGN(luks::HeaderCopy header, volume::readHeader(session));
    VC_ASSIGN(const luks::HeaderImage image, luks::imageOf(std::move(header)));
    if (auto written = luks::writeBackup(image, session.headerFile(), volume::checkStop);
        !written) {
        auto error = std::move(written).error();
        // Half of one is worth nothing, and may pass for one. (A pipe has no length.)
        if (::ftruncate(session.headerFile(), 0) < 0 && errno != EINVAL)
            error.hint = "Remove the file: it holds a part of the header.";
        return base::fail(std::move(error).because(session.describe()));
    }
    volume::Outcome outcome;
    VC_ASSIGN(outcome.state, volume::encryptedState(session));
    const auto slots = slotsOf(image.copy.view);
    const std::string what = fmt::format(
        "{} bytes, key slots {}", image.size,
        slots.empty() ? std::string("none") : fmt::format("{}", fmt::join(slots, ", ")));
    outcome.extra["bytes"] = image.size;
    outcome.extra["notes"] = nlohmann::json::array({"header backed up: " + what});
    outcome.text = session.describe() + ": header backed up (" + what +
                   "); keep it as secret as the keys: they open the volume by it also when they "
                   "are removed later";
    base::log(base::Severity::Notice, "Backed up the header of " + session.describe(),
              {{"VOLUME", session.id().text()}, {"OPERATION", "backup-header"}});
    return outcome;
}

}  // namespace volumecrypt::engine
