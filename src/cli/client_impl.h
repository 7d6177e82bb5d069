// SPDX-License-Identifier: Apache-2.0
// What the files of the client share: the connection and the generated proxies.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include <job-proxy.h>
#include <manager-proxy.h>
#include <volume-proxy.h>

#include "bus/sdbus.h"
#include "cli/client.h"
#include "cli/client_error.h"
#include "cli/client_values.h"
#include "cli/interrupt.h"

namespace volumecrypt::cli {

inline constexpr const char *kService = "org.example.VolumeCrypt";
inline constexpr const char *kRoot = "/org/example/VolumeCrypt";
// For what the service answers from memory; a key's derivation, a KMS or a person at a polkit
// prompt may take any time, and whoever waits for them can interrupt.
inline constexpr std::chrono::seconds kReadTimeout{25};
inline constexpr const char *kVolumeInterface =
    org::example::VolumeCrypt::Volume_proxy::INTERFACE_NAME;
inline constexpr const char *kJobInterface = org::example::VolumeCrypt::Job_proxy::INTERFACE_NAME;

namespace proxies {

class Manager final : public sdbus::ProxyInterfaces<org::example::VolumeCrypt::Manager_proxy> {
  public:
    using ProxyInterfaces::ProxyInterfaces;
};

class Volume final : public sdbus::ProxyInterfaces<org::example::VolumeCrypt::Volume_proxy> {
  public:
    using ProxyInterfaces::ProxyInterfaces;
    using sdbus::ProxyObjectHolder::getProxy;  // for methods that are called by their name
};

}  // namespace proxies

struct JobEnd {
    bool success = false;
    std::string error;
    std::string message;
};

struct Client::Impl {
    std::unique_ptr<sdbus::IConnection> connection;
    // Over all jobs, since before the first call: a short job ends before its path is known.
    sdbus::Slot finishedMatch;
    std::map<std::string, JobEnd> ends;  // by path, of jobs that ended since connect()

    void prepare(bool interactive);
    proxies::Manager manager() {
        return {*connection, bus::ServiceName(kService), sdbus::ObjectPath(kRoot)};
    }
    // Throws as GetVolume does.
    proxies::Volume volume(const std::string &id);
    std::string pathOf(const std::string &id) { return manager().GetVolume(id); }
    base::Result<std::optional<JobInfo>> lookAtJob(const std::string &path);
    Properties propertiesOf(const std::string &path, const char *interface);

    // Handles what has arrived, then waits for more: at most `limit`, less when a signal comes.
    void turn(const Interruptible &signals, std::chrono::milliseconds limit);
    void handleArrived();
};

}  // namespace volumecrypt::cli
