// SPDX-License-Identifier: Apache-2.0
// Links into the targets and device units, device timeouts, and the marks for udev.
#include "units/unit_parts.h"
#include "units/unit_text.h"
#include "units/volume_units.h"

namespace volumecrypt::units {
namespace {

using namespace std::chrono_literals;

// An absent volume that nobody requires must not keep the system in "starting" for the default of
// 90 s.
constexpr std::chrono::seconds kOptionalDeviceTimeout = 15s;
// The clock of a mapping runs from the start of the boot, while its attach may first have to wait
// for STATE or the network, and format. A failed attach ends the wait at once in any case.
constexpr std::string_view kOptionalMappingTimeout = "5min";

std::string timeoutText(std::string_view directive, std::string_view value) {
    UnitText text;
    text.section("Unit").set(directive, value);
    return text.text();
}

void addDeviceMark(std::vector<UnitFile> &files, std::string_view device, std::string_view whose) {
    std::string path(kDevicesDirectory);
    while (!device.empty()) {
        const auto name = device.substr(0, device.find('/'));
        if (!name.empty()) path.append("/").append(name);
        device.remove_prefix(std::min(device.size(), name.size() + 1));
    }
    files.push_back({std::move(path), std::string(whose) + "\n", {}});
}

std::string_view belowDev(std::string_view device) {
    device.remove_prefix(std::string_view("/dev/").size());
    return device;
}

}  // namespace

void addLinks(std::vector<UnitFile> &files, const BootRole &role,
              const UnitDirectories &directories) {
    const std::string attachTemplate = directories.own + "/volumecrypt@.service";
    const std::string_view how = role.blocking ? ".requires/" : ".wants/";
    const auto link = [&files](std::string path, std::string target) {
        files.push_back({std::move(path), {}, std::move(target)});
    };
    if (role.encrypted) link(role.content + ".requires/" + role.attach, attachTemplate);
    if (role.encrypted || role.undecided) {
        link(role.attach + ".wants/" + role.sync, directories.own + "/volumecrypt-sync@.service");
    }
    if (!role.consumer.empty())
        link(role.attach + ".wants/" + role.consumer, "../" + role.consumer);
    if (!role.automatic) return;
    if (!role.source.empty()) link(role.source + ".wants/" + role.attach, attachTemplate);
    link(role.attachTarget + std::string(how) + role.attach, attachTemplate);
    if (!role.consumer.empty())
        link(role.consumerTarget + std::string(how) + role.consumer, "../" + role.consumer);
    // Not every distribution enables it.
    if (role.attachTarget == "remote-cryptsetup.target")
        link("multi-user.target.wants/remote-cryptsetup.target",
             directories.vendor + "/remote-cryptsetup.target");
}

void addTimeouts(std::vector<UnitFile> &files, const model::VolumeSpec &volume,
                 const BootRole &role) {
    if (role.encrypted)
        files.push_back({role.content + ".d/40-volumecrypt-timeout.conf",
                         role.blocking
                             ? timeoutText("JobTimeoutSec", "infinity")
                             : timeoutText("JobRunningTimeoutSec", kOptionalMappingTimeout),
                         {}});
    auto timeout = volume.deviceTimeout;
    if (!timeout && role.automatic && !role.blocking) timeout = kOptionalDeviceTimeout;
    if (!role.source.empty() && timeout)
        files.push_back(
            {role.source + ".d/50-volumecrypt-timeout.conf",
             timeoutText("JobRunningTimeoutSec", std::to_string(timeout->count()) + "s"),
             {}});
}

void addDeviceMarks(std::vector<UnitFile> &files, const model::VolumeSpec &volume,
                    const BootRole &role) {
    if (!role.source.empty()) addDeviceMark(files, belowDev(volume.device.path), volume.id.text());
    if (model::isDevicePath(volume.metaDevice))
        addDeviceMark(files, belowDev(volume.metaDevice), "META");
    // What is mounted by its units is no business of a desktop.
    if (role.encrypted && !role.consumer.empty())
        addDeviceMark(files, belowDev(role.contentPath), volume.id.text());
}

}  // namespace volumecrypt::units
