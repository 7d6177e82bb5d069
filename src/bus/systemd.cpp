// SPDX-License-Identifier: Apache-2.0
// Calls to systemd's manager and its JobRemoved and UnitRemoved signals.
#include "bus/systemd.h"

#include <chrono>
#include <tuple>
#include <utility>
#include <vector>

#include "base/journal.h"
#include "bus/guard.h"

namespace volumecrypt::bus {
namespace {

constexpr const char *kSystemdName = "org.freedesktop.systemd1";
constexpr const char *kSystemdPath = "/org/freedesktop/systemd1";
constexpr const char *kManager = "org.freedesktop.systemd1.Manager";
// All generators run in it, on a machine that may be busy.
constexpr std::chrono::minutes kReloadTimeout{10};

base::Error systemdError(const std::string &what, const sdbus::Error &cause) {
    return {base::ErrorCode::Io, "systemd cannot " + what + ": " + cause.getMessage(),
            "See `journalctl -b -u init.scope`."};
}

std::string verbOf(const std::string &method) {
    if (method == "StopUnit") return "stop";
    return method == "ReloadUnit" ? "reload" : "start";
}

base::Status jobStatus(const std::string &unit, const std::string &result) {
    if (result == "done" || result == "skipped") return {};
    return base::fail(result == "canceled" ? base::ErrorCode::Cancelled : base::ErrorCode::Io,
                      "systemd's job for " + unit + " ended with \"" + result + "\"",
                      "See `journalctl -u '" + unit + "'`.");
}

}  // namespace

BusSystemd::BusSystemd(sdbus::IConnection &bus)
    : manager_(makeProxy(bus, kSystemdName, kSystemdPath)) {
    manager_->uponSignal("JobRemoved")
        .onInterface(kManager)
        .call([this](std::uint32_t, const sdbus::ObjectPath &path, const std::string &unit,
                     const std::string &result) {
            daemon::guarded([&] { jobRemoved(path, unit, result); });
        });
    manager_->uponSignal("UnitRemoved")
        .onInterface(kManager)
        .call([this](const std::string &unit, const sdbus::ObjectPath &) {
            daemon::guarded([&] { unitEnded(unit); });
        });
    receiveSignals(*manager_);
    // Without it systemd sends no signals.
    manager_->callMethodAsync("Subscribe")
        .onInterface(kManager)
        .uponReplyInvoke([](CallError error) {
            if (error)
                base::log(base::Severity::Error,
                          "Cannot subscribe to systemd: " + error->getMessage());
        });
}

void BusSystemd::changeUnit(const char *method, const std::string &unit, daemon::Done done) {
    manager_->callMethodAsync(method)
        .onInterface(kManager)
        .withArguments(unit, "replace")
        .uponReplyInvoke([this, unit, method = std::string(method), done = std::move(done)](
                             CallError error, const sdbus::ObjectPath &job) {
            daemon::guarded([&] {
                if (!error) {
                    jobs_[job] = {.unit = unit, .done = done};
                    return;
                }
                const bool gone = error->getName() == "org.freedesktop.systemd1.NoSuchUnit";
                if (gone && method == "StopUnit") return done({});
                done(base::fail(systemdError(verbOf(method) + " " + unit, *error)));
            });
        });
}

void BusSystemd::startUnit(const std::string &unit, daemon::Done done) {
    changeUnit("StartUnit", unit, std::move(done));
}

void BusSystemd::stopUnit(const std::string &unit, daemon::Done done) {
    changeUnit("StopUnit", unit, std::move(done));
}

void BusSystemd::reloadUnit(const std::string &unit, daemon::Done done) {
    changeUnit("ReloadUnit", unit, std::move(done));
}

void BusSystemd::resetFailed(const std::string &unit, daemon::Done done) {
    manager_->callMethodAsync("ResetFailedUnit")
        .onInterface(kManager)
        .withArguments(unit)
        .uponReplyInvoke([done = std::move(done)](CallError) {
            // Most often there is none of that name any more, which is all that is wanted.
            daemon::guarded([&] { done({}); });
        });
}

void BusSystemd::reload(daemon::Done done) {
    manager_->callMethodAsync("Reload")
        .onInterface(kManager)
        .withTimeout(kReloadTimeout)
        .uponReplyInvoke([done = std::move(done)](CallError error) {
            daemon::guarded([&] {
                done(!error ? base::Status()
                            : base::fail(systemdError("reload its configuration", *error)));
            });
        });
}

void BusSystemd::startTransient(const std::string &unit, const std::vector<Property> &properties,
                                daemon::Done done) {
    using Auxiliary = std::vector<sdbus::Struct<std::string, std::vector<Property>>>;
    manager_->callMethodAsync("StartTransientUnit")
        .onInterface(kManager)
        .withArguments(unit, "fail", properties, Auxiliary())
        .uponReplyInvoke([unit, done = std::move(done)](CallError error,
                                                        const sdbus::ObjectPath &) {
            daemon::guarded([&] {
                done(!error ? base::Status() : base::fail(systemdError("start " + unit, *error)));
            });
        });
}

void BusSystemd::whenEnded(const std::string &unit, std::function<void()> ended) {
    ends_[unit] = std::move(ended);
}

void BusSystemd::isRunning(const std::string &unit, std::function<void(bool)> answer) {
    // name, description, load, active, sub, following, path, job id, job type, job path
    using Unit =
        sdbus::Struct<std::string, std::string, std::string, std::string, std::string, std::string,
                      sdbus::ObjectPath, std::uint32_t, std::string, sdbus::ObjectPath>;
    manager_->callMethodAsync("ListUnitsByNames")
        .onInterface(kManager)
        .withArguments(std::vector<std::string>{unit})
        .uponReplyInvoke([answer = std::move(answer)](CallError error,
                                                      const std::vector<Unit> &units) {
            daemon::guarded([&] {
                bool running = false;
                if (!error)
                    for (const auto &entry : units)
                        running |= entry.get<3>() == "activating" || entry.get<3>() == "active" ||
                                   entry.get<3>() == "deactivating" || entry.get<7>() != 0;
                answer(running);
            });
        });
}

void BusSystemd::jobRemoved(const std::string &path, const std::string &unit,
                            const std::string &result) {
    // The start job of a oneshot unit lasts as long as its process, unless a stop job ended it.
    if (result != "canceled") unitEnded(unit);
    const auto found = jobs_.find(path);
    if (found == jobs_.end()) return;
    const auto waiting = std::move(found->second);
    jobs_.erase(found);
    waiting.done(jobStatus(waiting.unit, result));
}

void BusSystemd::unitEnded(const std::string &unit) {
    const auto found = ends_.find(unit);
    if (found == ends_.end()) return;
    const auto ended = std::move(found->second);
    ends_.erase(found);
    ended();
}

}  // namespace volumecrypt::bus
