// SPDX-License-Identifier: Apache-2.0
// GetConnectionUnixUser and NameOwnerChanged of the bus driver.
#include "bus/callers.h"

#include <utility>

#include "daemon/event_loop.h"

namespace volumecrypt::bus {
namespace {

constexpr const char *kDriver = "org.freedesktop.DBus";
// Names that were given up: those of connections that ended among them.
constexpr const char *kLeft =
    "type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',"
    "member='NameOwnerChanged',arg2=''";

constexpr std::chrono::milliseconds kFirstWait{200};
constexpr std::chrono::seconds kLastWait{12};

}  // namespace

BusCallers::BusCallers(sdbus::IConnection &bus)
    : driver_(makeProxy(bus, kDriver, "/org/freedesktop/DBus")) {
    match_ = addMatch(bus, kLeft, [this](sdbus::Message &signal) { ownerChanged(signal); });
}

void BusCallers::ownerChanged(sdbus::Message &signal) {
    std::string name;
    signal >> name;
    if (known_.erase(name) == 0) return;
    for (const auto &left : left_) left(name);
}

bool isUnanswered(const sdbus::Error &error) {
    const auto &name = error.getName();
    return name == "org.freedesktop.DBus.Error.NoReply" ||
           name == "org.freedesktop.DBus.Error.Timeout";
}

std::optional<uid_t> BusCallers::known(const std::string &name) const {
    const auto found = known_.find(name);
    return found == known_.end() ? std::nullopt : std::optional(found->second);
}

void BusCallers::resolve(const std::string &name, Resolved resolved) {
    if (const auto uid = known(name)) return resolved(*uid);
    auto &waiting = asked_[name];
    waiting.push_back(std::move(resolved));
    if (waiting.size() > 1) return;
    ask(name, kFirstWait);
}

void BusCallers::ask(const std::string &name, std::chrono::microseconds patience) {
    driver_->callMethodAsync("GetConnectionUnixUser")
        .onInterface(kDriver)
        .withTimeout(patience)
        .withArguments(name)
        .uponReplyInvoke([this, name, patience](CallError error, std::uint32_t uid) {
            daemon::guarded([&] {
                const bool again = error && isUnanswered(*error) && patience < kLastWait;
                again ? ask(name, 2 * patience) : answered(name, error, uid);
            });
        });
}

void BusCallers::answered(const std::string &name, const CallError &error, uid_t uid) {
    const auto waiting = asked_.extract(name);
    if (!error) known_[name] = uid;
    for (const auto &resolved : waiting.mapped())
        daemon::guarded([&] {
            if (!error) return resolved(uid);
            resolved(base::fail(base::ErrorCode::NotFound,
                                "the caller has left: " + error->getMessage()));
        });
}

}  // namespace volumecrypt::bus
