// SPDX-License-Identifier: Apache-2.0
// Admission of calls.
#include "daemon/bus_gate.h"

#include <systemd/sd-bus.h>

namespace volumecrypt::daemon {
namespace {

// A call waits a moment for the bus to say who its caller is, then for polkit, which may take as
// long as a person does.
constexpr std::size_t kPerConnection = 16;
constexpr std::size_t kConnectionsInAll = 1024;
constexpr std::size_t kPerUser = 32;
constexpr std::size_t kUsersInAll = 256;

// sdbus-c++ 1.2 does not show the flag.
struct RawMessage : sdbus::Message {
    static bool interactive(const sdbus::Message &message) {
        auto *raw = static_cast<sd_bus_message *>(message.*(&RawMessage::msg_));
        return sd_bus_message_get_allow_interactive_authorization(raw) > 0;
    }
};

base::Error tooMany() {
    base::Error error;
    error.code = base::ErrorCode::Busy;
    error.message = "too many calls are waiting for authorisation";
    error.hint = "wait for the answers to earlier ones";
    error.retry = true;
    return error;
}

}  // namespace

BusGate::BusGate(BusCallers &callers, Authorizer &authorizer)
    : callers_(callers),
      authorizer_(authorizer),
      connections_(kPerConnection, kConnectionsInAll),
      users_(kPerUser, kUsersInAll) {}

Caller BusGate::callerOf(const sdbus::IObject &object) {
    const auto *message = object.getCurrentlyProcessedMessage();
    return {.name = message->getSender(),
            .uid = static_cast<uid_t>(-1),
            .interactive = RawMessage::interactive(*message)};
}

void BusGate::runGuarded(const std::function<void()> &function, const Refuse &refuse) {
    try {
        function();
    } catch (const std::exception &exception) {
        base::Error error;
        error.message = std::string("unexpected exception: ") + exception.what();
        base::log(base::Severity::Error, error.message);
        refuse(error);
    }
}

void BusGate::admit(Caller caller, const Refuse &refuse, Admitted admitted) {
    const auto place = connections_.admit(caller.name);
    if (!place) return refuse(tooMany());
    const auto name = caller.name;
    callers_.resolve(name, [this, caller = std::move(caller), refuse, place,
                            admitted = std::move(admitted)](const base::Result<uid_t> &uid) {
        guarded([&] {
            if (!uid) return refuse(uid.error());
            auto known = caller;
            known.uid = *uid;
            const auto ticket = users_.admit(std::to_string(*uid), *uid == 0);
            if (!ticket) return refuse(tooMany());
            admitted(known, ticket);
        });
    });
}

}  // namespace volumecrypt::daemon
