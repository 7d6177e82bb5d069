// SPDX-License-Identifier: Apache-2.0
// Compares what the generator's own functions give with what is in its directory.
#include "daemon/unit_changes.h"

#include <array>

#include <limits.h>
#include <unistd.h>

#include "base/files.h"
#include "build_config.h"
#include "config/last_good.h"
#include "model/names.h"
#include "units/volume_units.h"

namespace volumecrypt::daemon {
namespace {

std::string generatorFile(const model::SystemPaths &paths, const std::string &name) {
    return paths.below("/run/systemd/generator") + "/" + name;
}

std::string linkTarget(const std::string &path) {
    const auto walk = base::walkLinks(path);
    return walk ? walk->target : path;
}

bool isThere(const std::string &path, const units::UnitFile &file) {
    if (!file.isLink()) {
        const auto text = base::readFile(path);
        return text && *text == file.content;
    }
    std::array<char, PATH_MAX> target{};
    const ssize_t length = ::readlink(path.c_str(), target.data(), target.size());
    return length >= 0 &&
           std::string_view(target.data(), static_cast<std::size_t>(length)) == file.target;
}

void compareWithDisk(UnitChanges &changes, const model::VolumeSpec &spec, const std::string &path,
                     const units::UnitFile &file) {
    if (isThere(path, file)) return;
    changes.files[spec.id].insert(file.path);
    if (file.isLink() || file.path != spec.consumerUnit() || !file.path.ends_with(".mount")) return;
    if (const auto before = base::readFile(path))
        changes.mounts[spec.id] = compareMountUnits(*before, file.content);
}

}  // namespace

bool UnitChanges::concernConsumer(const model::VolumeSpec &spec) const {
    const auto found = files.find(spec.id);
    return found != files.end() && found->second.contains(spec.consumerUnit());
}

bool UnitChanges::concernContent(const model::VolumeId &id) const {
    const auto found = mounts.find(id);
    return found != mounts.end() && found->second == MountUnitChange::Content;
}

bool UnitChanges::areMountFlags(const model::VolumeId &id) const {
    const auto found = mounts.find(id);
    return found != mounts.end() && found->second == MountUnitChange::Flags;
}

config::Configuration declaredForUnits(const model::SystemPaths &paths) {
    config::Configuration configuration = config::load(paths, config::Secrets::Drop);
    const auto isOpen = [&paths](const model::VolumeId &id) {
        return ::access(paths.below(model::mappingPath(id)).c_str(), F_OK) == 0;
    };
    config::addLastGood(paths, isOpen, configuration);
    return configuration;
}

UnitChanges unitChanges(const config::Configuration &declared, const model::SystemPaths &paths) {
    UnitChanges changes;
    const units::Relations relations(declared.volumes, linkTarget);
    for (const auto &spec : declared.volumes) {
        auto files = units::volumeUnits(
            spec, relations,
            {.own = VOLUMECRYPT_SYSTEMUNITDIR, .vendor = VOLUMECRYPT_VENDORUNITDIR});
        if (!files) {
            changes.refused.emplace(spec.id, std::move(files).error());
            continue;
        }
        for (const auto &file : *files)
            compareWithDisk(changes, spec, generatorFile(paths, file.path), file);
    }
    return changes;
}

std::map<model::VolumeId, std::set<model::VolumeId>> neededBy(
    const config::Configuration &declared) {
    const units::Relations relations(declared.volumes, linkTarget);
    std::map<model::VolumeId, std::set<model::VolumeId>> needs;
    for (const auto &spec : declared.volumes) needs[spec.id] = relations.before(spec.id);
    return needs;
}

bool hasConsumerUnit(const model::VolumeSpec &spec, const model::SystemPaths &paths) {
    const auto unit = spec.consumerUnit();
    return unit.empty() || ::access(generatorFile(paths, unit).c_str(), F_OK) == 0;
}

}  // namespace volumecrypt::daemon
