// SPDX-License-Identifier: Apache-2.0
// What sdbus-c++ 1.2 does not show of sd-bus.
#pragma once

#include <sdbus-c++/sdbus-c++.h>
#include <systemd/sd-bus.h>

namespace volumecrypt::bus {

struct RawMessage : sdbus::Message {
    static sd_bus_message *of(const sdbus::Message &message) {
        return static_cast<sd_bus_message *>(message.*(&RawMessage::msg_));
    }
};

// A connection shows its bus only by its messages.
inline sd_bus *rawBus(sdbus::IConnection &connection) {
    const auto driver =
        sdbus::createProxy(connection, "org.freedesktop.DBus", "/org/freedesktop/DBus");
    const auto message = driver->createMethodCall("org.freedesktop.DBus.Peer", "Ping");
    return sd_bus_message_get_bus(RawMessage::of(message));
}

}  // namespace volumecrypt::bus
