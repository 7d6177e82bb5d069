// SPDX-License-Identifier: Apache-2.0
// Derives a volume's role at boot from what was declared.
#include "units/boot_role.h"

#include "model/names.h"
#include "model/system_paths.h"
#include "units/relations.h"

namespace volumecrypt::units {
namespace {

using model::FilesystemType;
using model::VolumeSpec;

// cryptsetup.target is about encryption: a plain volume belongs to the file systems themselves.
std::string attachTargetOf(const BootRole &role) {
    if (role.encrypted) return role.network ? "remote-cryptsetup.target" : "cryptsetup.target";
    return role.network ? "remote-fs.target" : "local-fs.target";
}

std::string consumerTargetOf(const VolumeSpec &volume, const BootRole &role) {
    if (role.network) return "remote-fs.target";
    return volume.filesystem.type == FilesystemType::Swap ? "swap.target" : "local-fs.target";
}

}  // namespace

BootRole bootRole(const VolumeSpec &volume, const Relations &relations) {
    BootRole role;
    role.encrypted = volume.encryption.has_value();
    role.automatic = volume.unlock == model::UnlockPolicy::Auto;
    role.blocking = role.automatic && volume.required;
    role.network = relations.isNetwork(volume.id);
    if (!volume.isFile()) role.source = model::deviceUnit(volume.device.path);
    role.undecided = volume.id.kind() == model::VolumeKind::State && !role.encrypted &&
                     !volume.declaredPlain && !volume.metaDevice.empty() && !volume.isFile();
    role.contentPath = volume.contentDevice();
    role.mountSource =
        role.undecided ? model::SystemPaths().contentLink(volume.id) : role.contentPath;
    if (model::isDevicePath(role.contentPath)) {
        role.content = model::deviceUnit(role.contentPath);
        role.blockdev = "blockdev@" + model::escapeUnitPath(role.contentPath) + ".target";
    }
    role.attach = model::attachUnit(volume.id);
    role.sync = model::syncUnit(volume.id);
    role.consumer = volume.consumerUnit();
    role.attachTarget = attachTargetOf(role);
    role.consumerTarget = consumerTargetOf(volume, role);
    return role;
}

}  // namespace volumecrypt::units
