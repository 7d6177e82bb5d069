// SPDX-License-Identifier: Apache-2.0
// The graph of volumes that wait for each other's mounts.
#include "units/relations.h"

#include <algorithm>
#include <utility>

#include "model/key_files.h"
#include "units/boot_role.h"

namespace volumecrypt::units {
namespace {

using model::KeySpec;
using model::VolumeId;
using model::VolumeSpec;

bool hasNetworkMark(const VolumeSpec &volume) {
    return volume.mount && std::find(volume.mount->options.begin(), volume.mount->options.end(),
                                     "_netdev") != volume.mount->options.end();
}

std::size_t enrolledKeys(const model::EncryptionSpec &encryption) {
    return static_cast<std::size_t>(
        std::count_if(encryption.keys.begin(), encryption.keys.end(),
                      [](const KeySpec &key) { return key.kind() != model::KeyKind::Unmanaged; }));
}

}  // namespace

Relations::Relations(const std::vector<VolumeSpec> &volumes, LinkTarget linkTarget)
    : linkTarget_(std::move(linkTarget)) {
    for (const VolumeSpec &volume : volumes) {
        if (volume.id.kind() == model::VolumeKind::State && volume.isMounted())
            stateMount_ = volume.mount->where;
        const bool onlyNetwork = volume.encryption && volume.encryption->onlyNetworkKeys();
        if (onlyNetwork || hasNetworkMark(volume)) network_.insert(volume.id);
        before_.try_emplace(volume.id);
    }
    addEdges(volumes);
    close();
    for (const auto &[id, others] : before_)
        if (std::any_of(others.begin(), others.end(),
                        [this](const VolumeId &other) { return network_.contains(other); }))
            network_.insert(id);
}

std::vector<Need> Relations::needs(const VolumeSpec &volume) const {
    std::vector<Need> needs;
    if (volume.isFile()) needs.push_back({"volume.device", volume.device.path, true});
    if (!volume.metaDevice.empty() && !model::isDevicePath(volume.metaDevice))
        needs.push_back({"volume.meta", volume.metaDevice, false});
    if (!volume.encryption) return needs;
    // With a second key the first one's file may be out of reach: that must not stop the volume.
    const bool onlyKey = enrolledKeys(*volume.encryption) == 1;
    for (const model::KeyFile &file : model::keyFiles(volume)) {
        const std::string what = std::string(file.field) + " of slot " + std::to_string(file.slot);
        needs.push_back({what, file.path, onlyKey, true});
        if (!linkTarget_) continue;
        if (const std::string target = linkTarget_(file.path); target != file.path)
            needs.push_back({what + " (a link to it)", target, onlyKey, true});
    }
    if (volume.encryption->anyLockedToState() && !stateMount_.empty())
        needs.push_back({"lockToState", stateMount_, volume.encryption->allLockedToState()});
    return needs;
}

const std::set<VolumeId> &Relations::before(const VolumeId &id) const {
    static const std::set<VolumeId> none;
    const auto found = before_.find(id);
    return found == before_.end() ? none : found->second;
}

void Relations::addEdges(const std::vector<VolumeSpec> &volumes) {
    for (const VolumeSpec &volume : volumes)
        for (const VolumeSpec &other : volumes) {
            if (!other.isMounted()) continue;
            const std::string &where = other.mount->where;
            const auto paths = needs(volume);
            const bool needed = std::any_of(paths.begin(), paths.end(), [&where](const Need &need) {
                return model::isAtOrBelow(need.path, where);
            });
            const bool nested = volume.isMounted() && volume.mount->where != where &&
                                model::isAtOrBelow(volume.mount->where, where);
            if (needed || nested) before_[volume.id].insert(other.id);
        }
}

// Transitive: the few volumes of a machine make anything cleverer pointless.
void Relations::close() {
    for (bool grown = true; grown;) {
        grown = false;
        for (auto &[id, others] : before_)
            for (const VolumeId &other : std::set<VolumeId>(others))
                for (const VolumeId &further : std::set<VolumeId>(before_[other]))
                    grown = others.insert(further).second || grown;
    }
}

}  // namespace volumecrypt::units
