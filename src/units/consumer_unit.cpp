// SPDX-License-Identifier: Apache-2.0
// Text of mount and swap units; see systemd.mount(5) for what systemd adds by itself.
#include <filesystem>

#include "model/names.h"
#include "units/unit_parts.h"
#include "units/unit_text.h"

namespace volumecrypt::units {
namespace {

using model::FilesystemType;
using model::VolumeSpec;

void addOption(std::string &options, std::string_view option) {
    if (!options.empty()) options += ',';
    options += option;
}

std::string mountOptions(const VolumeSpec &volume, const BootRole &role) {
    std::string options;
    // `required`, `unlock` and the keys decide about these two, not the list.
    for (const std::string &option : volume.mount->options)
        if (option != "nofail" && option != "_netdev") addOption(options, option);
    if (volume.filesystem.type == FilesystemType::Xfs && volume.filesystem.projectQuota)
        addOption(options, "prjquota");
    if (role.content.empty()) addOption(options, "loop");
    // systemd orders every mount without them before local-fs.target.
    if (!role.blocking) addOption(options, "nofail");
    if (role.network) addOption(options, "_netdev");
    return options;
}

std::string swapOptions(const VolumeSpec &volume) {
    std::string options;
    if (!volume.mount) return options;
    for (const std::string &option : volume.mount->options)
        if (option != "nofail" && option != "_netdev") addOption(options, option);
    return options;
}

void addOrder(UnitText &text, const BootRole &role) {
    // A mapping pulls in its attach unit through its device unit; a plain partition is there
    // without it.
    if (!role.encrypted) text.set("Requires", role.attach);
    // Without this order locking and unplugging would race with the unmount.
    text.set("After", role.attach);
    if (!role.blockdev.empty()) text.set("After", role.blockdev);
}

std::string mountText(const VolumeSpec &volume, const BootRole &role) {
    UnitText text;
    text.section("Unit").set("Description", "VolumeCrypt mount of " + volume.id.text());
    if (volume.position.file.starts_with('/'))
        text.set("SourcePath", lineValue(volume.position.file));
    if (role.blocking) text.set("Before", role.consumerTarget);
    addOrder(text, role);
    if (const std::string fsck = fsckUnit(volume, role); !fsck.empty())
        text.set("Requires", fsck).set("After", fsck);
    text.section("Mount")
        .set("What", lineValue(role.mountSource))
        .set("Where", lineValue(volume.mount->where))
        .set("Type", model::filesystemName(volume.filesystem.type));
    if (const std::string options = mountOptions(volume, role); !options.empty())
        text.set("Options", lineValue(options));
    return text.text();
}

std::string swapText(const VolumeSpec &volume, const BootRole &role) {
    UnitText text;
    text.section("Unit").set("Description", "VolumeCrypt swap of " + volume.id.text());
    if (volume.position.file.starts_with('/'))
        text.set("SourcePath", lineValue(volume.position.file));
    if (!role.blocking || role.network)
        // By default every swap unit is before swap.target, which the boot waits for.
        text.set("DefaultDependencies", "no")
            .set("Conflicts", "umount.target")
            .set("Before", "umount.target");
    if (role.blocking && role.network) text.set("Before", role.consumerTarget);
    addOrder(text, role);
    text.section("Swap").set("What", lineValue(role.contentPath));
    if (const std::string options = swapOptions(volume); !options.empty())
        text.set("Options", lineValue(options));
    return text.text();
}

}  // namespace

std::string consumerText(const VolumeSpec &volume, const BootRole &role) {
    return volume.filesystem.type == FilesystemType::Swap ? swapText(volume, role)
                                                          : mountText(volume, role);
}

std::string fsckUnit(const VolumeSpec &volume, const BootRole &role) {
    if (role.content.empty() || volume.filesystem.type == FilesystemType::None ||
        volume.filesystem.type == FilesystemType::Swap)
        return "";
    if (role.undecided) return "volumecrypt-fsck@" + volume.id.text() + ".service";
    return "systemd-fsck@" + model::escapeUnitPath(role.contentPath) + ".service";
}

std::string fsckDropIn(const BootRole &role) {
    UnitText text;
    text.section("Unit").set("After", role.attach);
    return text.text();
}

std::string fsckService(const VolumeSpec &volume, const BootRole &role,
                        const UnitDirectories &directories) {
    // systemd's units are in `system` beside its programs.
    const auto program =
        std::filesystem::path(directories.vendor).replace_filename("systemd-fsck").string();
    UnitText text;
    text.section("Unit").set("Description",
                             "File system check of VolumeCrypt volume " + volume.id.text());
    if (volume.position.file.starts_with('/'))
        text.set("SourcePath", lineValue(volume.position.file));
    text.set("DefaultDependencies", "no")
        .set("Conflicts", "shutdown.target")
        .set("Before", "shutdown.target")
        .set("After", "systemd-fsck-root.service local-fs-pre.target");
    addOrder(text, role);
    text.section("Service")
        .set("Type", "oneshot")
        .set("RemainAfterExit", "yes")
        .set("ExecStart", program + " " + lineValue(role.mountSource))
        .set("TimeoutSec", "infinity");
    return text.text();
}

}  // namespace volumecrypt::units
