// SPDX-License-Identifier: Apache-2.0
// Admission of calls: a place, the caller, then polkit.
#include "bus/gate.h"

#include "daemon/call_limits.h"

namespace volumecrypt::bus {
namespace {

// A call waits a moment for the bus to say who its caller is: at most two users' connections, of
// which the bus lets each have 256. Then it waits for polkit, which may take as long as a person
// does.
constexpr std::size_t kPerConnection = 4;
constexpr std::size_t kConnectionsInAll = 2048;
// polkit answers one question after the other: another user's waits behind these.
constexpr std::size_t kPerUser = 8;
constexpr std::size_t kUsersInAll = 256;

sdbus::Error tooMany() {
    return busError(SD_BUS_ERROR_LIMITS_EXCEEDED,
                    "too many calls of this user are waiting for authorisation");
}

}  // namespace

BusGate::BusGate(BusCallers &callers, daemon::Authorizer &authorizer)
    : callers_(callers),
      authorizer_(authorizer),
      connections_(kPerConnection, kConnectionsInAll),
      users_(kPerUser, kUsersInAll) {}

daemon::Caller BusGate::callerOf(const sdbus::IObject &object) {
    auto *call = currentCall(object);
    return {.name = sd_bus_message_get_sender(call),
            .uid = static_cast<uid_t>(-1),
            .interactive = sd_bus_message_get_allow_interactive_authorization(call) > 0};
}

void BusGate::runGuarded(const std::function<void()> &function, const Refuse &refuse) {
    try {
        function();
    } catch (const std::exception &exception) {
        const base::Error error(base::ErrorCode::Internal,
                                std::string("unexpected exception: ") + exception.what());
        base::log(base::Severity::Error, error.message);
        refuse(toBusError(error));
    }
}

void BusGate::admit(daemon::Caller caller, const Refuse &refuse, Admitted admitted) {
    // A call that waits keeps all descriptors that came with it, not only the one that it is about.
    const auto place = daemon::descriptorsAreScarce() ? nullptr : connections_.admit(caller.name);
    if (!place) return refuse(tooMany());
    const auto name = caller.name;
    callers_.resolve(name, [this, caller = std::move(caller), refuse, place,
                            admitted = std::move(admitted)](const base::Result<uid_t> &uid) {
        daemon::guarded([&] {
            if (!uid) return refuse(toBusError(uid.error()));
            auto known = caller;
            known.uid = *uid;
            const auto ticket = users_.admit(std::to_string(*uid), *uid == 0);
            if (!ticket) return refuse(tooMany());
            admitted(known, ticket);
        });
    });
}

}  // namespace volumecrypt::bus
