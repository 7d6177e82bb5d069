// SPDX-License-Identifier: Apache-2.0
// The JSON of volumecryptctl: member names are those of the engine's lines where it has them.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/volume_info.h"

namespace volumecrypt::cli {

nlohmann::json toJson(const SlotInfo &slot);
nlohmann::json toJson(const FailedSync &failed);
nlohmann::json toJson(const VolumeWarning &warning);
nlohmann::json toJson(const VolumeInfo &volume);
nlohmann::json toJson(const ConfigProblem &problem);
nlohmann::json toJson(const ServiceInfo &service);
nlohmann::json toJson(const PlanStep &step);
nlohmann::json toJson(const VolumePlan &plan);
nlohmann::json toJson(const JobInfo &job);

template <typename T>
nlohmann::json toJson(const std::vector<T> &list) {
    auto array = nlohmann::json::array();
    for (const auto &entry : list) array.push_back(toJson(entry));
    return array;
}

// {"type":"error",…} as the engine prints it.
nlohmann::json errorJson(const std::string &verb, const std::string &volume,
                         const base::Error &error);

// One line; bytes that are no UTF-8 are replaced, never thrown on.
std::string jsonLine(const nlohmann::json &value);
// For people: indented, with a newline at the end.
std::string jsonDocument(const nlohmann::json &value);

}  // namespace volumecrypt::cli
