// SPDX-License-Identifier: Apache-2.0
// Names that follow from a volume's ID: mapping, units, and systemd's escaping of paths.
#pragma once

#include <string>
#include <string_view>

#include "model/volume_id.h"

namespace volumecrypt::model {

// luks2-ID, and its path below /dev/mapper.
std::string mappingName(const VolumeId &id);
std::string mappingPath(const VolumeId &id);

// systemd.unit(5) "String escaping for inclusion in unit names", the path form: `/` is "-", leading
// and trailing slashes and doubled ones go, what is left outside [A-Za-z0-9:_.] (and a leading dot)
// becomes \xHH.
std::string escapeUnitPath(std::string_view path);

// Below /dev: systemd makes a device unit of it. Anything else is a plain file.
constexpr bool isDevicePath(std::string_view path) {
    return path.starts_with("/dev/");
}

std::string deviceUnit(std::string_view path);  // dev-….device
std::string mountUnit(std::string_view where);  // ….mount
std::string swapUnit(std::string_view path);    // dev-….swap
std::string attachUnit(const VolumeId &id);     // volumecrypt@ID.service
std::string syncUnit(const VolumeId &id);       // volumecrypt-sync@ID.service
// volumecrypt-trim@ID.service and .timer
std::string trimUnit(const VolumeId &id, std::string_view type);

}  // namespace volumecrypt::model
