// SPDX-License-Identifier: Apache-2.0
// Jobs as small JSON files, written atomically.
#include "daemon/job_store.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <optional>
#include <set>

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "base/files.h"
#include "base/foreign_json.h"
#include "base/journal.h"

namespace volumecrypt::daemon {
namespace {

using Json = nlohmann::json;

// Records without one are of version 1.
constexpr std::uint64_t kVersion = 1;

std::optional<std::uint64_t> numberFrom(const std::string &text) {
    std::uint64_t number = 0;
    const auto *end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, number);
    if (error != std::errc() || rest != end) return std::nullopt;
    return number;
}

Json toJson(const JobRecord &record) {
    return {{"version", kVersion},     {"number", record.number}, {"operation", record.operation},
            {"volume", record.volume}, {"uid", record.uid},       {"startedAt", record.startedAt},
            {"handle", record.handle}};
}

template <typename Integer>
bool take(const Json &json, Integer &number) {
    const auto value = base::integerIn<Integer>(json);
    number = value.value_or(0);
    return value.has_value();
}

// Of a newer version, which goes on with it when it is back.
bool isNewer(const Json &json) {
    const auto found = json.is_object() ? json.find("version") : json.end();
    if (found == json.end()) return false;
    const auto version = base::integerIn<std::uint64_t>(*found);
    return version && *version > kVersion;
}

std::optional<JobRecord> fromJson(const Json &json) {
    try {
        JobRecord record{.number = 0,
                         .operation = json.at("operation"),
                         .volume = json.at("volume"),
                         .uid = 0,
                         .startedAt = 0,
                         .handle = json.at("handle")};
        const bool numbers = take(json.at("number"), record.number) &&
                             take(json.at("uid"), record.uid) &&
                             take(json.at("startedAt"), record.startedAt);
        if (!numbers) return std::nullopt;
        return record;
    } catch (const Json::exception &) {
        return std::nullopt;
    }
}

void warn(const base::Error &error) {
    base::log(base::Severity::Warning, "A job cannot be recorded: " + error.message);
}

}  // namespace

std::string JobStore::path(std::uint64_t number, const char *suffix) const {
    return folder_ + "/" + std::to_string(number) + suffix;
}

std::uint64_t JobStore::takeNumber() {
    if (next_ == 0) {
        const auto text = base::readFile(folder_ + "/next", 64);
        next_ = text ? numberFrom(*text).value_or(1) : 1;
    }
    const auto number = next_++;
    const auto saved = base::makeDirectories(folder_, 0700);
    const auto written = base::writeFileAtomically(folder_ + "/next", std::to_string(next_), 0600);
    if (!saved) warn(saved.error());
    if (!written) warn(written.error());
    return number;
}

void JobStore::save(const JobRecord &record) {
    const auto written =
        base::writeFileAtomically(path(record.number, ".json"), toJson(record).dump(), 0600);
    if (!written) warn(written.error());
}

void JobStore::remove(std::uint64_t number) {
    (void)::unlink(path(number, ".json").c_str());
    (void)::unlink(path(number, ".out").c_str());
}

std::vector<JobRecord> JobStore::load() {
    std::vector<JobRecord> records;
    std::set<std::uint64_t> known;
    std::set<std::uint64_t> seen;
    std::error_code ignored;
    for (const auto &entry : std::filesystem::directory_iterator(folder_, ignored)) {
        const auto number = numberFrom(entry.path().stem());
        if (!number) continue;
        seen.insert(*number);
        if (entry.path().extension() != ".json") continue;
        const auto text = base::readFile(entry.path(), std::size_t{64} << 10);
        const auto json = base::parseForeignJson(text ? *text : std::string());
        if (isNewer(json)) {
            known.insert(*number);
            base::log(base::Severity::Warning,
                      "Job " + entry.path().stem().string() +
                          " was begun by a newer version of volumecrypt: it runs on, and is not "
                          "listed. Update volumecrypt to see it.");
            continue;
        }
        auto record = fromJson(json);
        if (!record || record->number != *number) continue;
        known.insert(*number);
        records.push_back(std::move(*record));
    }
    for (const auto number : seen)
        if (!known.contains(number)) remove(number);
    std::sort(records.begin(), records.end(),
              [](const auto &a, const auto &b) { return a.number < b.number; });
    return records;
}

base::Result<base::UniqueFd> JobStore::createOutput(std::uint64_t number) {
    VC_TRY(base::makeDirectories(folder_, 0700));
    return base::openFile(path(number, ".out"), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
}

base::Result<base::UniqueFd> JobStore::openOutput(std::uint64_t number) {
    return base::openFile(path(number, ".out"), O_RDONLY);
}

}  // namespace volumecrypt::daemon
