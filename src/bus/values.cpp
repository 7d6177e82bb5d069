// SPDX-License-Identifier: Apache-2.0
// Conversion of our values to those of sdbus-c++.
#include "bus/values.h"

#include <cstdlib>
#include <memory>

#include <systemd/sd-bus.h>

#include "bus/text.h"
#include "daemon/volume_table.h"

namespace volumecrypt::bus {

sdbus::ObjectPath volumePath(const std::string &id) {
    char *path = nullptr;
    const auto prefix = std::string(kRootPath) + "/volume";
    if (sd_bus_path_encode(prefix.c_str(), id.c_str(), &path) < 0) return {};
    const std::unique_ptr<char, decltype(&std::free)> owner(path, &std::free);
    return sdbus::ObjectPath(path);
}

sdbus::ObjectPath jobPath(std::uint64_t number) {
    return sdbus::ObjectPath(std::string(kRootPath) + "/job/" + std::to_string(number));
}

std::string errorBusName(base::ErrorCode code) {
    return std::string(kBusName) + ".Error." + std::string(base::errorName(code));
}

sdbus::Error toBusError(const base::Error &error) {
    return busError(errorBusName(error.code), busText(daemon::fullText(error)));
}

StepMaps toMaps(const std::vector<daemon::StepText> &steps) {
    StepMaps maps;
    for (const auto &step : steps) {
        auto &map = maps.emplace_back(Options{{"action", sdbus::Variant(busText(step.action))},
                                              {"kind", sdbus::Variant(busText(step.kind))},
                                              {"reason", sdbus::Variant(busText(step.reason))}});
        if (step.kind != daemon::kVolumeStep)
            map.emplace("slot", sdbus::Variant(static_cast<std::uint32_t>(step.slot)));
    }
    return maps;
}

}  // namespace volumecrypt::bus
