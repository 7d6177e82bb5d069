// SPDX-License-Identifier: Apache-2.0
// Which sdbus-c++ this is: nothing else knows. Up to 1.x a name is a string, from 2.0 on each kind
// of name is a type; errors of answers, matches and the event loop changed with it.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <sdbus-c++/sdbus-c++.h>
#include <systemd/sd-bus.h>

namespace volumecrypt::bus {

using ProxyPointer = std::unique_ptr<sdbus::IProxy>;
using MessageHandler = std::function<void(sdbus::Message &)>;
using Poll = sdbus::IConnection::PollData;

// What sdbus-c++ does not show of sd-bus: the documented type behind its protected member.
struct RawMessage : sdbus::Message {
    static sd_bus_message *of(const sdbus::Message &message) {
        return static_cast<sd_bus_message *>(message.*(&RawMessage::msg_));
    }
};

// Without a deadline.
inline constexpr std::uint64_t kNever = UINT64_MAX;

#if __has_include(<sdbus-c++/VTableItems.h>)  // 2.0 and later

using sdbus::InterfaceName;
using sdbus::MethodName;
using sdbus::PropertyName;
using sdbus::ServiceName;
using ErrorName = sdbus::Error::Name;
// Of an asynchronous call: nothing when it was answered.
using CallError = std::optional<sdbus::Error>;

inline bool processOne(sdbus::IConnection &connection) {
    return connection.processPendingEvent();
}

// The signals asked for arrive from here on.
inline void receiveSignals(sdbus::IProxy & /*proxy*/) {}

inline sdbus::Slot addMatch(sdbus::IConnection &connection, const std::string &rule,
                            MessageHandler handler) {
    return connection.addMatch(
        rule, [handler = std::move(handler)](sdbus::Message message) { handler(message); },
        sdbus::return_slot);
}

// The call that `object` is handling.
inline sd_bus_message *currentCall(const sdbus::IObject &object) {
    // It lives as long as the handler runs, with or without this reference.
    return RawMessage::of(object.getCurrentlyProcessedMessage());
}

inline std::uint64_t deadlineOf(const Poll &poll) {
    return poll.timeout == std::chrono::microseconds::max()
               ? kNever
               : static_cast<std::uint64_t>(poll.timeout.count());
}

inline std::chrono::microseconds timeLeft(const Poll &poll) {
    return poll.getRelativeTimeout();
}

#else

using InterfaceName = std::string;
using MethodName = std::string;
using PropertyName = std::string;
using ServiceName = std::string;
using ErrorName = std::string;
using CallError = const sdbus::Error *;

inline bool processOne(sdbus::IConnection &connection) {
    return connection.processPendingRequest();
}

inline void receiveSignals(sdbus::IProxy &proxy) {
    proxy.finishRegistration();
}

inline sdbus::Slot addMatch(sdbus::IConnection &connection, const std::string &rule,
                            MessageHandler handler) {
    return connection.addMatch(rule, std::move(handler));
}

inline sd_bus_message *currentCall(const sdbus::IObject &object) {
    return RawMessage::of(*object.getCurrentlyProcessedMessage());
}

inline std::uint64_t deadlineOf(const Poll &poll) {
    return poll.timeout_usec;
}

inline std::chrono::microseconds timeLeft(const Poll &poll) {
    return poll.getRelativeTimeout().value_or(std::chrono::microseconds(0));
}

#endif

inline sdbus::Error busError(std::string name, const std::string &message) {
    return {ErrorName(std::move(name)), message};
}

inline ProxyPointer makeProxy(sdbus::IConnection &connection, const std::string &service,
                              const std::string &path) {
    return sdbus::createProxy(connection, ServiceName(service), sdbus::ObjectPath(path));
}

inline std::vector<PropertyName> properties(std::initializer_list<const char *> names) {
    return {names.begin(), names.end()};
}

// A connection shows its bus only by its messages.
inline sd_bus *rawBus(sdbus::IConnection &connection) {
    const auto driver = makeProxy(connection, "org.freedesktop.DBus", "/org/freedesktop/DBus");
    const auto message =
        driver->createMethodCall(InterfaceName("org.freedesktop.DBus.Peer"), MethodName("Ping"));
    return sd_bus_message_get_bus(RawMessage::of(message));
}

}  // namespace volumecrypt::bus
