// SPDX-License-Identifier: Apache-2.0
// Follows ActiveState of units, by one proxy a unit.
#include "bus/unit_states.h"

#include <cstdlib>
#include <utility>
#include <vector>

#include <systemd/sd-bus.h>

#include "bus/guard.h"

namespace volumecrypt::bus {
namespace {

constexpr const char *kUnitsOwner = "org.freedesktop.systemd1";
constexpr const char *kUnitPrefix = "/org/freedesktop/systemd1/unit";
constexpr const char *kUnit = "org.freedesktop.systemd1.Unit";
constexpr const char *kProperties = "org.freedesktop.DBus.Properties";
constexpr const char *kActiveState = "ActiveState";

std::string unitPath(const std::string &unit) {
    char *path = nullptr;
    if (::sd_bus_path_encode(kUnitPrefix, unit.c_str(), &path) < 0) return {};
    std::string text(path);
    std::free(path);  // NOLINT(cppcoreguidelines-no-malloc): libsystemd allocates it
    return text;
}

}  // namespace

void BusUnitStates::follow(const std::string &unit, Changed changed) {
    const std::string path = unitPath(unit);
    if (path.empty()) return;
    auto proxy = makeProxy(bus_, kUnitsOwner, path);
    proxy->uponSignal("PropertiesChanged")
        .onInterface(kProperties)
        .call([changed](const std::string &interface,
                        const std::map<std::string, sdbus::Variant> &values,
                        const std::vector<std::string> &) {
            daemon::guarded([&] {
                const auto state = values.find(kActiveState);
                if (interface == kUnit && state != values.end() &&
                    state->second.containsValueOfType<std::string>())
                    changed(state->second.get<std::string>());
            });
        });
    receiveSignals(*proxy);
    proxy->callMethodAsync("Get")
        .onInterface(kProperties)
        .withArguments(kUnit, kActiveState)
        .uponReplyInvoke([changed](CallError error, const sdbus::Variant &state) {
            daemon::guarded([&] {
                // Without systemd there is nothing to know.
                const bool known = !error && state.containsValueOfType<std::string>();
                changed(known ? state.get<std::string>() : std::string());
            });
        });
    units_[unit] = std::move(proxy);
}

}  // namespace volumecrypt::bus
