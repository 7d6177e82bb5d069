// SPDX-License-Identifier: Apache-2.0
// sdbus-c++ on sd-event.
#include "bus/connection.h"

#include <chrono>

#include "base/journal.h"

namespace volumecrypt::bus {
namespace {

constexpr int kMessagesPerTurn = 64;

}  // namespace

base::Result<std::unique_ptr<BusConnection>> BusConnection::open(daemon::EventLoop &loop) {
    try {
        return std::unique_ptr<BusConnection>(
            new BusConnection(loop, sdbus::createSystemBusConnection()));
    } catch (const sdbus::Error &error) {
        return base::fail(base::ErrorCode::Io,
                          "cannot connect to the system bus: " + error.getMessage(),
                          "Is dbus.service running?");
    }
}

BusConnection::BusConnection(daemon::EventLoop &loop,
                             std::unique_ptr<sdbus::IConnection> connection)
    : loop_(loop), connection_(std::move(connection)) {
    const auto poll = connection_->getEventLoopPollData();
    io_ = loop_.watch(
        poll.fd, static_cast<std::uint32_t>(poll.events), [this](std::uint32_t) { dispatch(); },
        [this] { prepare(); });
}

base::Status BusConnection::requestName(const std::string &name) {
    try {
        connection_->requestName(ServiceName(name));
        return {};
    } catch (const sdbus::Error &error) {
        return base::fail(base::ErrorCode::Busy,
                          "cannot take the bus name " + name + ": " + error.getMessage(),
                          "Another volumecryptd may be running.");
    }
}

void BusConnection::prepare() {
    const auto poll = connection_->getEventLoopPollData();
    // The bits of poll(2) and epoll(7) are the same.
    io_.setEvents(static_cast<std::uint32_t>(poll.events));
    const auto deadline = deadlineOf(poll);
    if (deadline == deadline_ && deadline != 0) return;
    deadline_ = deadline;
    timer_.reset();
    if (deadline_ == kNever) return;
    timer_ = loop_.after(timeLeft(poll), [this] {
        deadline_ = kNever;
        dispatch();
    });
}

void BusConnection::dispatch() {
    try {
        for (int count = 0; count < kMessagesPerTurn; ++count)
            if (!processOne(*connection_)) return;
    } catch (const sdbus::Error &error) {
        base::log(base::Severity::Error, "The system bus is gone: " + error.getMessage());
        loop_.quit(1);
    }
}

}  // namespace volumecrypt::bus
