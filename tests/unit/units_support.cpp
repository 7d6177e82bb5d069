// SPDX-License-Identifier: Apache-2.0
// Declared volumes and readable dumps for the tests of units.
#include "units_support.h"

#include <utility>

namespace volumecrypt::test {

using model::VolumeKind;
using model::VolumeSpec;

VolumeSpec plainVolume(const std::string &id) {
    VolumeSpec volume(model::VolumeId::parse(id).value());
    volume.device = {.path = "/dev/disk/by-partlabel/" + id, .byLabel = true};
    volume.position = {.file = "/etc/volumecrypt/volumes.yaml", .line = 1, .column = 1};
    const VolumeKind kind = volume.id.kind();
    volume.required = kind == VolumeKind::State || kind == VolumeKind::Ephemeral;
    volume.filesystem.type = kind == VolumeKind::Raw    ? model::FilesystemType::None
                             : kind == VolumeKind::Swap ? model::FilesystemType::Swap
                                                        : model::FilesystemType::Ext4;
    if (kind == VolumeKind::State)
        volume.mount = model::MountSpec{"/system/state", {"nodev", "nosuid"}};
    if (kind == VolumeKind::User)
        volume.mount = model::MountSpec{"/var/mnt/" + volume.id.name(), {"nodev", "nosuid"}};
    return volume;
}

VolumeSpec encryptedVolume(const std::string &id) {
    VolumeSpec volume = plainVolume(id);
    volume.encryption.emplace();
    volume.encryption->keys.push_back(nodeIdKey(0));
    return volume;
}

model::KeySpec nodeIdKey(unsigned slot, bool lockToState) {
    model::KeySpec key;
    key.slot = slot;
    key.parameters.emplace<model::NodeIdKey>();
    key.lockToState = lockToState;
    return key;
}

model::KeySpec staticKey(unsigned slot, std::string passphraseFile) {
    model::KeySpec key;
    key.slot = slot;
    key.parameters.emplace<model::StaticKey>().passphraseFile = std::move(passphraseFile);
    return key;
}

model::KeySpec kmsKey(unsigned slot) {
    model::KeySpec key;
    key.slot = slot;
    key.parameters.emplace<model::KmsKey>().endpoint = "grpcs://kms.example:4050";
    return key;
}

model::KeySpec tpmKey(unsigned slot) {
    model::KeySpec key;
    key.slot = slot;
    key.parameters.emplace<model::TpmKey>();
    return key;
}

std::vector<VolumeSpec> volumeList(VolumeSpec first) {
    std::vector<VolumeSpec> list;
    list.push_back(std::move(first));
    return list;
}

units::GeneratedUnits generate(const std::vector<VolumeSpec> &volumes) {
    return units::generateUnits(
        volumes, {.own = "/usr/lib/systemd/system", .vendor = "/lib/systemd/system"});
}

const units::UnitFile *find(const units::GeneratedUnits &generated, const std::string &path) {
    for (const units::UnitFile &file : generated.files)
        if (file.path == path) return &file;
    return nullptr;
}

std::string contentOf(const units::GeneratedUnits &generated, const std::string &path) {
    const units::UnitFile *file = find(generated, path);
    return file == nullptr ? "(no " + path + ")" : file->content;
}

std::string dump(const units::GeneratedUnits &generated) {
    std::string text;
    for (const units::UnitFile &file : generated.files)
        if (file.isLink()) text += "==== " + file.path + " -> " + file.target + "\n";
    for (const units::UnitFile &file : generated.files)
        if (!file.isLink()) text += "==== " + file.path + "\n" + file.content;
    return text;
}

}  // namespace volumecrypt::test
