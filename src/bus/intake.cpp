// SPDX-License-Identifier: Apache-2.0
// Turns calls away that are too large or too many, by a filter of sd-bus.
#include "bus/intake.h"

#include <cstdint>
#include <cstring>
#include <string_view>

#include "bus/size.h"
#include "daemon/event_loop.h"

namespace volumecrypt::bus {
namespace {

constexpr int kTaken = 1;
constexpr int kGoOn = 0;
constexpr std::string_view kBusItself = "org.freedesktop.DBus";

// Calls of one user: of volumecryptctl and others, a person makes a dozen.
constexpr double kBurst = 128;
constexpr double kPerSecond = 128;
// Before it is known whose they are.
constexpr double kOfStranger = 8;
// The answer holds every volume.
constexpr double kCostOfAll = 8;

bool isForged(sd_bus_message *signal) {
    const char *sender = sd_bus_message_get_sender(signal);
    return sd_bus_message_get_destination(signal) != nullptr &&
           (sender == nullptr || sender != kBusItself);
}

double costOf(sd_bus_message *call) {
    const char *member = sd_bus_message_get_member(call);
    return member != nullptr && std::strcmp(member, "GetManagedObjects") == 0 ? kCostOfAll : 1;
}

}  // namespace

BusIntake::BusIntake(daemon::EventLoop &loop, sdbus::IConnection &bus, BusCallers &callers)
    : callers_(callers), share_(kBurst, kPerSecond), refusals_(loop, rawBus(bus)) {
    sd_bus_slot *slot = nullptr;
    if (sd_bus_add_filter(rawBus(bus), &slot, &filter, this) < 0)
        throw busError(SD_BUS_ERROR_FAILED, "cannot watch the bus's messages");
    filter_.reset(slot);
}

int BusIntake::filter(sd_bus_message *message, void *self, sd_bus_error *) {
    std::uint8_t type = 0;
    if (sd_bus_message_get_type(message, &type) < 0) return kTaken;
    if (type == SD_BUS_MESSAGE_SIGNAL) return isForged(message) ? kTaken : kGoOn;
    // An answer that was waited for is not seen here.
    if (type != SD_BUS_MESSAGE_METHOD_CALL) return kTaken;
    bool in = false;
    daemon::guarded([&] { in = static_cast<BusIntake *>(self)->letsIn(message); });
    return in ? kGoOn : kTaken;
}

bool BusIntake::letsIn(sd_bus_message *call) {
    if (!withinShare(call)) {
        refusals_.add(call, SD_BUS_ERROR_LIMITS_EXCEEDED, "this user calls too often");
        return false;
    }
    switch (sizeOf(call)) {
        case CallSize::Fits:
            return true;
        case CallSize::TooLarge:
            refusals_.add(call, SD_BUS_ERROR_LIMITS_EXCEEDED,
                          "the call is larger than any call of this service");
            return false;
        case CallSize::Malformed:
            refusals_.add(call, SD_BUS_ERROR_INVALID_ARGS,
                          "no call of this service has such arguments; the value of an option is "
                          "a simple one");
            return false;
    }
    return false;
}

bool BusIntake::withinShare(sd_bus_message *call) {
    const char *sender = sd_bus_message_get_sender(call);
    if (sender == nullptr) return false;
    const std::string name(sender);
    const double cost = costOf(call);
    const auto uid = callers_.known(name);
    if (!uid) return strangerWithinShare(name, cost);
    return *uid == 0 || share_.take(*uid, cost, daemon::CallShare::Clock::now());
}

bool BusIntake::strangerWithinShare(const std::string &name, double cost) {
    const auto [entry, isNew] = strangers_.try_emplace(name, 0);
    if (entry->second + cost > kOfStranger) return false;
    entry->second += cost;
    if (isNew)
        callers_.resolve(name, [this, name](const base::Result<uid_t> &uid) {
            const auto found = strangers_.find(name);
            if (found == strangers_.end()) return;
            if (uid && *uid != 0)
                share_.charge(*uid, found->second, daemon::CallShare::Clock::now());
            strangers_.erase(found);
        });
    return true;
}

}  // namespace volumecrypt::bus
