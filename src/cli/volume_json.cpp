// SPDX-License-Identifier: Apache-2.0
// Values as JSON.
#include "cli/volume_json.h"

#include "base/foreign_json.h"

namespace volumecrypt::cli {
namespace {

using nlohmann::json;

json orNull(const std::string &text) {
    return text.empty() ? json(nullptr) : json(text);
}

template <typename T>
json orNull(const std::optional<T> &value) {
    return value ? json(*value) : json(nullptr);
}

}  // namespace

json toJson(const SlotInfo &slot) {
    return {{"slot", slot.slot},
            {"kind", slot.kind},
            {"managed", slot.managed},
            {"lockedToState", slot.lockedToState},
            {"health", slot.health}};
}

json toJson(const FailedSync &failed) {
    return {{"slot", failed.slot}, {"reason", failed.reason}};
}

json toJson(const VolumeWarning &warning) {
    return {{"code", warning.code}, {"message", warning.message}};
}

json toJson(const VolumeInfo &volume) {
    json error = nullptr;
    if (!volume.errorCode.empty())
        error = {{"code", volume.errorCode},
                 {"message", volume.errorMessage},
                 {"hint", volume.errorHint}};
    json failure = nullptr;
    if (!volume.mountFailure.empty())
        failure = {{"message", volume.mountFailure}, {"hint", volume.mountFailureHint}};
    return {{"volume", volume.id},
            {"kind", volume.kind},
            {"state", volume.state},
            {"degraded", volume.degraded},
            {"device", orNull(volume.device)},
            {"mapping", orNull(volume.mapping)},
            {"mountPoint", orNull(volume.mountPoint)},
            {"mounted", volume.mounted},
            {"mountFailure", std::move(failure)},
            {"uuid", orNull(volume.uuid)},
            {"cipher", orNull(volume.cipher)},
            {"pinned", volume.pinned},
            {"unlockedBySlot", orNull(volume.unlockedBy)},
            {"slots", toJson(volume.slots)},
            {"failedSyncs", toJson(volume.failedSyncs)},
            {"warnings", toJson(volume.warnings)},
            {"lastError", std::move(error)}};
}

json toJson(const ConfigProblem &problem) {
    return {{"file", problem.file},
            {"line", problem.line},
            {"column", problem.column},
            {"code", problem.code},
            {"message", problem.message}};
}

json toJson(const ServiceInfo &service) {
    return {{"version", service.version},
            {"tpmPresent", service.tpmPresent},
            {"configErrors", toJson(service.problems)},
            {"configWarnings", toJson(service.warnings)}};
}

json toJson(const PlanStep &step) {
    return {{"action", step.action},
            {"slot", orNull(step.slot)},
            {"kind", step.kind},
            {"reason", step.reason}};
}

json toJson(const VolumePlan &plan) {
    return {{"volume", plan.id}, {"steps", toJson(plan.steps)}};
}

json toJson(const JobInfo &job) {
    return {{"job", job.number},
            {"operation", job.operation},
            {"volume", orNull(job.volume)},
            {"progress", job.progress},
            {"bytesDone", job.bytesDone},
            {"bytesTotal", job.bytesTotal},
            {"rate", job.rate},
            {"secondsLeft", job.secondsLeft},
            {"startedAt", job.startedAt},
            {"startedByUid", job.startedByUid},
            {"state", job.state},
            {"finishedAt", job.finishedAt},
            {"error", orNull(job.error)},
            {"message", job.message}};
}

json errorJson(const std::string &verb, const std::string &volume, const base::Error &error) {
    json object = base::toJson(error);
    object["type"] = "error";
    object["verb"] = verb;
    object["volume"] = orNull(volume);
    return object;
}

std::string jsonLine(const json &value) {
    return value.dump(-1, ' ', false, json::error_handler_t::replace) + '\n';
}

std::string jsonDocument(const json &value) {
    return value.dump(2, ' ', false, json::error_handler_t::replace) + '\n';
}

}  // namespace volumecrypt::cli
