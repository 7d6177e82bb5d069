// SPDX-License-Identifier: Apache-2.0
// Compares the names in an event of udev with a volume's.
#include <algorithm>

#include "daemon/udev_monitor.h"
#include "model/names.h"

namespace volumecrypt::daemon {

bool concerns(const DeviceEvent &event, const Volume &volume) {
    if (!event.mapping.empty() && event.mapping == model::mappingName(volume.id())) return true;
    const auto names = volume.devices();
    return std::any_of(names.begin(), names.end(), [&](const std::string &name) {
        return name == event.node ||
               std::find(event.links.begin(), event.links.end(), name) != event.links.end();
    });
}

}  // namespace volumecrypt::daemon
