// SPDX-License-Identifier: Apache-2.0
// The file-system layout below --root.
#include "model/system_paths.h"

#include <utility>

namespace volumecrypt::model {

SystemPaths::SystemPaths(std::string root, std::vector<std::string> configDirs)
    : root_(std::move(root)), configDirs_(std::move(configDirs)) {
    while (!root_.empty() && root_.back() == '/') root_.pop_back();
}

std::vector<std::string> SystemPaths::configDirs() const {
    if (!configDirs_.empty()) return configDirs_;
    return {below("/etc/volumecrypt"), below("/run/volumecrypt/config"),
            below("/usr/lib/volumecrypt")};
}

std::string SystemPaths::productUuid() const {
    return below("/sys/class/dmi/id/product_uuid");
}

std::string SystemPaths::lockDir() const {
    return below("/run/volumecrypt/lock");
}

std::string SystemPaths::lastGood(const VolumeId &id) const {
    return below("/run/volumecrypt/last-good/" + id.text() + ".json");
}

std::string SystemPaths::outcome(const VolumeId &id, const std::string &verb) const {
    return outcomeDir() + "/" + id.text() + "." + verb + ".json";
}

std::string SystemPaths::outcomeDir() const {
    return below("/run/volumecrypt/outcome");
}

std::string SystemPaths::jobDir() const {
    return below("/run/volumecrypt/jobs");
}

std::string SystemPaths::stateDir() const {
    return below("/etc/volumecrypt/state");
}

std::string SystemPaths::pin(const VolumeId &id) const {
    return stateDir() + "/pins/" + id.text() + ".json";
}

std::string SystemPaths::stagedWipe(const VolumeId &id) const {
    return stateDir() + "/wipe/" + id.text();
}

std::string SystemPaths::headerBackupDir() const {
    return stateDir() + "/backups";
}

std::string SystemPaths::headerBackup(const VolumeId &id, std::string_view reason) const {
    return headerBackupDir() + "/" + id.text() + "." + std::string(reason);
}

std::string SystemPaths::oldPin(const VolumeId &id) const {
    return below("/var/lib/volumecrypt/pins/" + id.text() + ".json");
}

std::string SystemPaths::oldStagedWipe(const VolumeId &id) const {
    return below("/var/lib/volumecrypt/wipe/" + id.text());
}

std::string SystemPaths::lockMark(const VolumeId &id) const {
    return lockMarkDir() + "/" + id.text();
}

std::string SystemPaths::lockMarkDir() const {
    return below("/run/volumecrypt/locked");
}

std::string SystemPaths::contentLink(const VolumeId &id) const {
    return below("/run/volumecrypt/content/" + id.text());
}

std::string SystemPaths::below(const std::string &absolute) const {
    return root_ + absolute;
}

}  // namespace volumecrypt::model
