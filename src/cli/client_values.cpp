// SPDX-License-Identifier: Apache-2.0
// Reads the properties of dbus/*.xml out of variants.
#include "cli/client_values.h"

#include <cstdint>
#include <cstdlib>
#include <tuple>
#include <utility>

#include <sdbus-c++/sdbus-c++.h>
#include <systemd/sd-bus.h>

#include "cli/volume_json.h"

namespace volumecrypt::cli {
namespace {

using SlotStruct = sdbus::Struct<std::uint32_t, std::string, bool, bool, std::string>;
using FailedStruct = sdbus::Struct<std::uint32_t, std::string>;
using ProblemStruct =
    sdbus::Struct<std::string, std::uint32_t, std::uint32_t, std::string, std::string>;
using ResultStruct = sdbus::Struct<std::string, std::string, std::string>;
using ErrorStruct = sdbus::Struct<std::string, std::string>;

constexpr const char *kVolumePrefix = "/org/example/VolumeCrypt/volume";

template <typename Wire, typename Value>
void take(const Properties &properties, const char *name, Value &target) {
    const auto found = properties.find(name);
    if (found != properties.end()) target = static_cast<Value>(found->second.get<Wire>());
}

SlotInfo slotFrom(const SlotStruct &wire) {
    return {wire.get<0>(), wire.get<1>(), wire.get<2>(), wire.get<3>(), wire.get<4>()};
}

FailedSync failedFrom(const FailedStruct &wire) {
    return {wire.get<0>(), wire.get<1>()};
}

// How texts with a hint travel on the bus.
std::pair<std::string, std::string> messageAndHint(const std::string &text) {
    const auto newline = text.find('\n');
    if (newline == std::string::npos) return {text, {}};
    return {text.substr(0, newline), text.substr(newline + 1)};
}

std::vector<ConfigProblem> problemsFrom(const Properties &properties, const char *name) {
    std::vector<ProblemStruct> wires;
    take<std::vector<ProblemStruct>>(properties, name, wires);
    std::vector<ConfigProblem> problems;
    problems.reserve(wires.size());
    for (const auto &wire : wires)
        problems.push_back(
            {wire.get<0>(), wire.get<1>(), wire.get<2>(), wire.get<3>(), wire.get<4>()});
    return problems;
}

}  // namespace

ServiceInfo serviceFrom(const Properties &properties) {
    ServiceInfo service;
    take<std::string>(properties, "Version", service.version);
    take<bool>(properties, "TpmPresent", service.tpmPresent);
    service.problems = problemsFrom(properties, "ConfigErrors");
    service.warnings = problemsFrom(properties, "ConfigWarnings");
    return service;
}

VolumeInfo volumeFrom(const std::string &path, const Properties &properties) {
    VolumeInfo volume;
    volume.path = path;
    take<std::string>(properties, "Id", volume.id);
    take<std::string>(properties, "Kind", volume.kind);
    take<std::string>(properties, "Device", volume.device);
    take<std::string>(properties, "Mapping", volume.mapping);
    take<std::string>(properties, "State", volume.state);
    take<bool>(properties, "Degraded", volume.degraded);
    take<bool>(properties, "Pinned", volume.pinned);
    take<std::string>(properties, "Uuid", volume.uuid);
    take<std::string>(properties, "Cipher", volume.cipher);
    take<std::string>(properties, "MountPoint", volume.mountPoint);
    take<bool>(properties, "Mounted", volume.mounted);
    std::string failure;
    take<std::string>(properties, "MountFailure", failure);
    std::tie(volume.mountFailure, volume.mountFailureHint) = messageAndHint(failure);
    std::int32_t unlockedBy = -1;
    take<std::int32_t>(properties, "UnlockedBySlot", unlockedBy);
    if (unlockedBy >= 0) volume.unlockedBy = static_cast<unsigned>(unlockedBy);
    std::vector<SlotStruct> slots;
    take<std::vector<SlotStruct>>(properties, "KeySlots", slots);
    for (const auto &slot : slots) volume.slots.push_back(slotFrom(slot));
    std::vector<FailedStruct> failed;
    take<std::vector<FailedStruct>>(properties, "FailedSyncs", failed);
    for (const auto &entry : failed) volume.failedSyncs.push_back(failedFrom(entry));
    std::vector<ErrorStruct> warnings;
    take<std::vector<ErrorStruct>>(properties, "Warnings", warnings);
    for (const auto &warning : warnings)
        volume.warnings.push_back({warning.get<0>(), warning.get<1>()});
    ErrorStruct error;
    take<ErrorStruct>(properties, "LastError", error);
    volume.errorCode = error.get<0>();
    std::tie(volume.errorMessage, volume.errorHint) = messageAndHint(error.get<1>());
    return volume;
}

JobInfo jobFrom(const std::string &path, const Properties &properties) {
    JobInfo job;
    job.path = path;
    job.number = jobNumber(path);
    take<std::string>(properties, "Operation", job.operation);
    sdbus::ObjectPath volume("/");
    take<sdbus::ObjectPath>(properties, "Volume", volume);
    job.volume = volumeIdOf(volume);
    take<double>(properties, "Progress", job.progress);
    take<std::uint64_t>(properties, "BytesDone", job.bytesDone);
    take<std::uint64_t>(properties, "BytesTotal", job.bytesTotal);
    take<std::uint64_t>(properties, "Rate", job.rate);
    take<std::uint64_t>(properties, "SecondsLeft", job.secondsLeft);
    take<std::uint64_t>(properties, "StartedAt", job.startedAt);
    take<std::uint32_t>(properties, "StartedByUid", job.startedByUid);
    std::vector<ResultStruct> results;
    take<std::vector<ResultStruct>>(properties, "Results", results);
    job.results.reserve(results.size());
    for (const auto &wire : results) {
        auto [text, hint] = messageAndHint(wire.get<2>());
        job.results.push_back({wire.get<0>(), wire.get<1>(), std::move(text), std::move(hint)});
    }
    take<std::string>(properties, "State", job.state);
    take<std::uint64_t>(properties, "FinishedAt", job.finishedAt);
    take<std::string>(properties, "Error", job.error);
    job.error.erase(0, job.error.rfind('.') + 1);
    take<std::string>(properties, "Message", job.message);
    // 0 until the first report, and of operations that report nothing.
    if (job.progress == 0 && job.bytesTotal == 0) job.progress = -1;
    return job;
}

PlanStep stepFrom(const Properties &wire) {
    PlanStep step;
    take<std::string>(wire, "action", step.action);
    take<std::string>(wire, "kind", step.kind);
    take<std::string>(wire, "reason", step.reason);
    if (const auto slot = wire.find("slot"); slot != wire.end())
        step.slot = slot->second.get<std::uint32_t>();
    return step;
}

std::vector<PlanStep> stepsFrom(const std::vector<Properties> &wire) {
    std::vector<PlanStep> steps;
    steps.reserve(wire.size());
    for (const auto &step : wire) steps.push_back(stepFrom(step));
    return steps;
}

nlohmann::json jsonFrom(const sdbus::Variant &value) {
    if (value.containsValueOfType<std::string>()) return value.get<std::string>();
    if (value.containsValueOfType<sdbus::ObjectPath>())
        return std::string(value.get<sdbus::ObjectPath>());
    if (value.containsValueOfType<bool>()) return value.get<bool>();
    if (value.containsValueOfType<std::int32_t>()) return value.get<std::int32_t>();
    if (value.containsValueOfType<std::uint32_t>()) return value.get<std::uint32_t>();
    if (value.containsValueOfType<std::uint64_t>()) return value.get<std::uint64_t>();
    if (value.containsValueOfType<double>()) return value.get<double>();
    auto list = nlohmann::json::array();
    if (value.containsValueOfType<std::vector<SlotStruct>>()) {
        for (const auto &wire : value.get<std::vector<SlotStruct>>())
            list.push_back(toJson(slotFrom(wire)));
        return list;
    }
    if (value.containsValueOfType<std::vector<FailedStruct>>()) {
        for (const auto &wire : value.get<std::vector<FailedStruct>>())
            list.push_back(toJson(failedFrom(wire)));
        return list;
    }
    if (value.containsValueOfType<std::vector<ErrorStruct>>()) {
        for (const auto &wire : value.get<std::vector<ErrorStruct>>())
            list.push_back({{"code", wire.get<0>()}, {"message", wire.get<1>()}});
        return list;
    }
    if (value.containsValueOfType<ErrorStruct>()) {
        const auto error = value.get<ErrorStruct>();
        return {{"code", error.get<0>()}, {"message", error.get<1>()}};
    }
    return nullptr;
}

std::string jobNumber(const std::string &path) {
    return path.substr(path.rfind('/') + 1);
}

std::string volumeIdOf(const std::string &path) {
    char *decoded = nullptr;
    if (::sd_bus_path_decode(path.c_str(), kVolumePrefix, &decoded) <= 0) return {};
    std::string id(decoded);
    std::free(decoded);  // NOLINT(cppcoreguidelines-no-malloc): libsystemd allocates it
    return id;
}

}  // namespace volumecrypt::cli
