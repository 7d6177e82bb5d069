// SPDX-License-Identifier: Apache-2.0
// One JSON file for each volume, in a directory that a reboot empties.
#include "config/last_good.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/files.h"
#include "model/volume_spec_json.h"

namespace volumecrypt::config {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLargest = std::size_t{1} << 20;

// The IDs of which something is remembered.
std::vector<model::VolumeId> remembered(const model::SystemPaths &paths) {
    std::vector<model::VolumeId> ids;
    std::error_code error;
    const fs::directory_iterator end;
    for (fs::directory_iterator at(paths.below("/run/volumecrypt/last-good"), error);
         !error && at != end; at.increment(error)) {
        if (at->path().extension() != ".json") continue;
        if (auto id = model::VolumeId::parse(at->path().stem().string()))
            ids.push_back(std::move(*id));
    }
    std::ranges::sort(ids);
    return ids;
}

base::Status keep(const std::string &path, const std::string &text) {
    if (const auto present = base::readFile(path, kLargest); present && *present == text) return {};
    return base::writeFileAtomically(path, text, 0600);
}

base::Result<model::VolumeSpec> recall(const std::string &path, const model::VolumeId &id) {
    VC_ASSIGN(const std::string text, base::readFile(path, kLargest));
    auto spec = model::volumeSpecFromJson(text);
    if (spec && !(spec->id == id))
        return base::fail(base::ErrorCode::InvalidConfig, path + " is of another volume");
    return spec;
}

Problem warning(const model::VolumeId &id, const model::SourcePosition &position,
                const std::string &what) {
    return {.level = Level::Warning,
            .position = position,
            .message =
                "volume " + id.text() + " is open and has no valid declaration any more: " + what,
            .volume = id.text()};
}

}  // namespace

base::Status keepLastGood(const model::SystemPaths &paths, const Configuration &configuration,
                          const IsOpen &isOpen) {
    base::Status first;
    for (const model::VolumeSpec &volume : configuration.volumes) {
        auto kept = keep(paths.lastGood(volume.id), model::toJson(volume) + "\n");
        if (!kept && first) first = std::move(kept);
    }
    for (const model::VolumeId &id : remembered(paths)) {
        // With an error somewhere nobody can tell which volumes are gone.
        if (configuration.find(id) != nullptr || configuration.hasErrors() || isOpen(id)) continue;
        std::error_code ignored;  // it is looked at again the next time
        fs::remove(paths.lastGood(id), ignored);
    }
    return first;
}

void addLastGood(const model::SystemPaths &paths, const IsOpen &isOpen,
                 Configuration &configuration) {
    for (const model::VolumeId &id : remembered(paths)) {
        if (configuration.find(id) != nullptr || !isOpen(id)) continue;
        auto spec = recall(paths.lastGood(id), id);
        if (!spec) {
            // Anything else that is there is nobody's.
            if (spec.error().code == base::ErrorCode::Unsupported)
                configuration.problems.push_back(
                    warning(id, {.file = paths.lastGood(id)},
                            spec.error().message + ". " + spec.error().hint));
            continue;
        }
        configuration.problems.push_back(
            warning(id, spec->position, "the last one that was is used until it is closed"));
        configuration.volumes.push_back(std::move(*spec));
    }
    std::ranges::sort(
        configuration.volumes,
        [](const model::VolumeSpec &a, const model::VolumeSpec &b) { return a.id < b.id; });
}

}  // namespace volumecrypt::config
