// SPDX-License-Identifier: Apache-2.0
// Keeps the volumes equal to the configuration, and tells the observer what changed.
#include "daemon/volume_table.h"

#include <algorithm>
#include <set>

#include "base/files.h"
#include "daemon/engine_message.h"
#include "model/key_files.h"

namespace volumecrypt::daemon {

namespace {

// Problems of a configuration are a line each; here one line is the message, the next the hint.
std::string inOneLine(const std::string &text) {
    std::string line;
    for (const char c : text) {
        if (c == '\n')
            line += "; ";
        else
            line += c;
    }
    return line;
}

}  // namespace

std::string fullText(const base::Error &error) {
    const auto message = inOneLine(error.message);
    return error.hint.empty() ? message : message + "\n" + inOneLine(error.hint);
}

std::string oneLine(const base::Error &error) {
    const auto message = inOneLine(error.message);
    return error.hint.empty() ? message : message + "; " + inOneLine(error.hint);
}

base::Status Volume::begin(const std::string &operation) {
    if (!operation_.empty())
        return base::fail(base::ErrorCode::Busy,
                          "volume " + id().text() + " is busy with " + operation_,
                          "Wait until that has finished.");
    operation_ = operation;
    return {};
}

bool Volume::isUnlocked() const {
    return status_.isOpen() || (status_.state == model::VolumeState::Plain && !spec_.encryption);
}

void Volume::setInspectedSlots(std::vector<SlotReport> slots, bool sameVolume) {
    if (!sameVolume && !newlyTested_) tested_.clear();
    newlyTested_ = false;
    inspected_ = std::move(slots);
}

std::vector<SlotReport> Volume::slots() const {
    return withTestedKeys(inspected_, tested_);
}

std::vector<std::string> Volume::devices() const {
    std::vector<std::string> devices{spec_.device.path};
    if (!spec_.metaDevice.empty()) devices.push_back(spec_.metaDevice);
    if (!status_.device.empty() && status_.device != spec_.device.path)
        devices.push_back(status_.device);
    return devices;
}

std::vector<std::string> Volume::files() const {
    auto files = devices();
    std::erase_if(files, model::isDevicePath);
    return files;
}

std::vector<std::string> Volume::keyFiles() const {
    std::vector<std::string> files;
    for (const model::KeyFile &file : model::keyFiles(spec_)) {
        files.push_back(file.path);
        if (const auto walk = base::walkLinks(file.path); walk && walk->target != file.path)
            files.push_back(walk->target);
    }
    return files;
}

bool Volume::needsNetwork() const {
    if (!spec_.encryption) return false;
    const auto &keys = spec_.encryption->keys;
    return std::any_of(keys.begin(), keys.end(),
                       [](const model::KeySpec &key) { return key.needsNetwork(); });
}

bool VolumeTable::hasErrors() const {
    return std::any_of(problems_.begin(), problems_.end(),
                       [](const auto &problem) { return problem.level == config::Level::Error; });
}

void VolumeTable::reconfigure(Volume &volume, model::VolumeSpec spec) {
    auto status = volume.status_;
    status.mountPoint = spec.mount ? spec.mount->where : std::string();
    if (spec.device.path != volume.spec_.device.path || status.device.empty())
        status.device = spec.device.path;
    volume.spec_ = std::move(spec);
    // Other keys may be declared now, and a passphrase that changed is not seen here.
    volume.tested_.clear();
    status.slots = volume.slots();
    update(volume, std::move(status));
}

void VolumeTable::configure(config::Configuration configuration) {
    problems_ = std::move(configuration.problems);
    std::set<std::string> declared;
    for (auto &spec : configuration.volumes) {
        const auto id = spec.id.text();
        declared.insert(id);
        if (const auto known = find(id)) {
            reconfigure(*known, std::move(spec));
            continue;
        }
        const auto volume = std::make_shared<Volume>(std::move(spec));
        volume->status_.device = volume->spec_.device.path;
        if (volume->spec_.mount) volume->status_.mountPoint = volume->spec_.mount->where;
        volumes_[id] = volume;
    }
    for (const auto &volume : all()) {
        if (declared.contains(volume->id().text()) || hasErrors()) continue;
        const bool shown = isShown(*volume);
        volumes_.erase(volume->id().text());
        if (shown) observer_->volumeRemoved(volume->id());
    }
    if (observer_ != nullptr) observer_->configErrorsChanged();
}

VolumePointer VolumeTable::find(const std::string &id) const {
    const auto found = volumes_.find(id);
    return found == volumes_.end() ? nullptr : found->second;
}

std::vector<VolumePointer> VolumeTable::all() const {
    std::vector<VolumePointer> volumes;
    for (const auto &[id, volume] : volumes_) volumes.push_back(volume);
    return volumes;
}

void VolumeTable::update(Volume &volume, VolumeStatus status) {
    if (status == volume.status_) return;
    const auto before = std::exchange(volume.status_, std::move(status));
    if (isShown(volume)) observer_->volumeChanged(volume, before);
}

bool VolumeTable::isShown(const Volume &volume) const {
    // One that left the configuration has no object any more.
    return observer_ != nullptr && volume.published_ && find(volume.id().text()).get() == &volume;
}

void VolumeTable::publish(Volume &volume) {
    const auto known = find(volume.id().text());
    if (known.get() != &volume || volume.published_) return;
    volume.published_ = true;
    if (observer_ != nullptr) observer_->volumeAdded(known);
}

void VolumeTable::learnKeys(Volume &volume, const KeyHealths &keys) {
    if (keys.empty()) return;
    for (const auto &[slot, health] : keys) volume.tested_[slot] = health;
    volume.newlyTested_ = true;
    auto status = volume.status_;
    status.slots = volume.slots();
    status.degraded = !status.failedSyncs.empty() || isAnyDegraded(status.slots);
    update(volume, std::move(status));
}

void VolumeTable::setLastError(Volume &volume, const std::string &verb, const base::Error &error) {
    auto status = volume.status_;
    if (isRefusal(verb, error.code, status.isOpen())) return;
    status.errorCode = base::errorName(error.code);
    status.errorMessage = fullText(error);
    status.errorVerb = verb;
    update(volume, std::move(status));
}

void VolumeTable::clearLastError(Volume &volume, const std::string &verb) {
    auto status = volume.status_;
    if (!endsError(verb, status.errorVerb)) return;
    status.errorCode.clear();
    status.errorMessage.clear();
    status.errorVerb.clear();
    update(volume, std::move(status));
}

}  // namespace volumecrypt::daemon
