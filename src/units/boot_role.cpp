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

std::string consumerOf(const VolumeSpec &volume) {
    if (volume.filesystem.type == FilesystemType::Swap)
        return model::swapUnit(volume.contentDevice());
    return isMounted(volume) ? model::mountUnit(volume.mount->where) : "";
}

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

bool isDevice(std::string_view path) {
    return path.starts_with("/dev/");
}

bool isMounted(const VolumeSpec &volume) {
    return volume.mount && !volume.mount->where.empty() &&
           volume.filesystem.type != FilesystemType::None &&
           volume.filesystem.type != FilesystemType::Swap;
}

BootRole bootRole(const VolumeSpec &volume, const Relations &relations) {
    BootRole role;
    role.encrypted = volume.encryption.has_value();
    role.automatic = volume.unlock == model::UnlockPolicy::Auto;
    role.blocking = role.automatic && volume.required;
    role.network = relations.isNetwork(volume.id);
    if (isDevice(volume.device.path)) role.source = model::deviceUnit(volume.device.path);
    role.undecided = volume.id.kind() == model::VolumeKind::State && !role.encrypted &&
                     !volume.declaredPlain && !volume.metaDevice.empty() &&
                     isDevice(volume.device.path);
    role.contentPath = volume.contentDevice();
    role.mountSource =
        role.undecided ? model::SystemPaths().contentLink(volume.id) : role.contentPath;
    if (isDevice(role.contentPath)) {
        role.content = model::deviceUnit(role.contentPath);
        role.blockdev = "blockdev@" + model::escapeUnitPath(role.contentPath) + ".target";
    }
    role.attach = model::attachUnit(volume.id);
    role.sync = model::syncUnit(volume.id);
    role.consumer = consumerOf(volume);
    role.attachTarget = attachTargetOf(role);
    role.consumerTarget = consumerTargetOf(volume, role);
    return role;
}

}  // namespace volumecrypt::units
