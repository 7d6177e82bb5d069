// SPDX-License-Identifier: Apache-2.0
// GetConnectionUnixUser and NameOwnerChanged of the bus driver.
#include "daemon/bus_callers.h"

#include <utility>

namespace volumecrypt::daemon {
namespace {

constexpr const char *kDriver = "org.freedesktop.DBus";
// Names that were given up: those of connections that ended among them.
constexpr const char *kLeft =
    "type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',"
    "member='NameOwnerChanged',arg2=''";

}  // namespace

BusCallers::BusCallers(sdbus::IConnection &bus)
    : driver_(sdbus::createProxy(bus, kDriver, "/org/freedesktop/DBus")) {
    match_ = bus.addMatch(kLeft, [this](sdbus::Message &signal) { ownerChanged(signal); });
}

void BusCallers::ownerChanged(sdbus::Message &signal) {
    std::string name;
    signal >> name;
    if (known_.erase(name) == 0) return;
    for (const auto &left : left_) left(name);
}

void BusCallers::resolve(const std::string &name, Resolved resolved) {
    if (const auto found = known_.find(name); found != known_.end()) return resolved(found->second);
    driver_->callMethodAsync("GetConnectionUnixUser")
        .onInterface(kDriver)
        .withArguments(name)
        .uponReplyInvoke([this, name, resolved = std::move(resolved)](const sdbus::Error *error,
                                                                      std::uint32_t uid) {
            if (error != nullptr)
                return resolved(base::fail(base::ErrorCode::NotFound,
                                           "the caller has left: " + error->getMessage()));
            known_[name] = uid;
            resolved(uid);
        });
}

}  // namespace volumecrypt::daemon
