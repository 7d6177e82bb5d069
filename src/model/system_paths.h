// SPDX-License-Identifier: Apache-2.0
// Every system path that the programs read or write, below an optional root (--root).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "model/volume_id.h"

namespace volumecrypt::model {

class SystemPaths {
  public:
    // `root` prefixes every path; `configDirs` replaces the default list when not empty, and is not
    // prefixed.
    explicit SystemPaths(std::string root = {}, std::vector<std::string> configDirs = {});

    // The first directory hides files of the same name in later ones.
    [[nodiscard]] std::vector<std::string> configDirs() const;
    [[nodiscard]] std::string productUuid() const;  // /sys/class/dmi/id/product_uuid
    [[nodiscard]] std::string lockDir() const;      // /run/volumecrypt/lock
    [[nodiscard]] std::string lastGood(
        const VolumeId &id) const;  // /run/volumecrypt/last-good/ID.json
    // How the last run of `verb` (attach, detach, sync) ended: the engine's last JSON line.
    [[nodiscard]] std::string outcome(const VolumeId &id, const std::string &verb) const;
    [[nodiscard]] std::string outcomeDir() const;  // /run/volumecrypt/outcome
    [[nodiscard]] std::string jobDir() const;      // /run/volumecrypt/jobs
    // Lock was called for the volume, and nothing has unlocked it since: it stays locked.
    [[nodiscard]] std::string lockMark(const VolumeId &id) const;  // /run/volumecrypt/locked/ID
    [[nodiscard]] std::string lockMarkDir() const;
    // What attach must know before anything is mounted, on the root file system:
    // /etc/volumecrypt/state
    [[nodiscard]] std::string stateDir() const;
    [[nodiscard]] std::string pin(const VolumeId &id) const;         // pins/ID.json in it
    [[nodiscard]] std::string stagedWipe(const VolumeId &id) const;  // wipe/ID in it
    // Headers of a volume that are kept while something is done to it: backups/ID.REASON in it
    [[nodiscard]] std::string headerBackupDir() const;
    [[nodiscard]] std::string headerBackup(const VolumeId &id, std::string_view reason) const;
    // Where earlier versions kept the same: /var/lib/volumecrypt
    [[nodiscard]] std::string oldPin(const VolumeId &id) const;
    [[nodiscard]] std::string oldStagedWipe(const VolumeId &id) const;
    // Links to the device that holds the volume's file system, made by attach; for a volume of
    // which only META says whether it is encrypted.
    [[nodiscard]] std::string contentLink(const VolumeId &id) const;
    [[nodiscard]] bool hasRoot() const { return !root_.empty(); }
    [[nodiscard]] std::string below(const std::string &absolute) const;  // root + absolute

  private:
    std::string root_;
    std::vector<std::string> configDirs_;
};

}  // namespace volumecrypt::model
