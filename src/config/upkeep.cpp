// SPDX-License-Identifier: Apache-2.0
// Intervals of trimming and scrubbing.
#include <fmt/format.h>

#include "config/draft.h"
#include "config/text.h"
#include "config/values.h"

namespace volumecrypt::config {
namespace {

using namespace std::chrono_literals;

constexpr auto kTrimInterval = std::chrono::seconds(168h);
constexpr auto kShortestScrub = 10s;

// Absent and 0 are the same to Talos.
std::optional<std::chrono::seconds> readInterval(Fields &fields) {
    const auto text = fields.text("interval");
    if (!text) return std::nullopt;
    const auto interval = parseGoDuration(*text);
    if (!interval)
        fields.report().error(fields.place("interval"),
                              fmt::format("{} must be a time such as 168h, 90m or 30s, not {}",
                                          fields.pathOf("interval"), quote(*text)));
    return interval == 0s ? std::nullopt : interval;
}

std::optional<std::chrono::seconds> readTrimInterval(Fields &fields) {
    const auto interval = readInterval(fields);
    if (!interval || *interval > 0s) return interval;
    fields.report().error(fields.place("interval"), "trim interval cannot be negative");
    return std::nullopt;
}

void readScrub(Fields &document) {
    auto scrub = document.map("scrub");
    if (!scrub) return;
    const bool enabled = scrub->flag("enabled").value_or(true);
    const auto interval = readInterval(*scrub);
    if (interval && *interval < kShortestScrub)
        document.report().error(scrub->place("interval"), "scrub interval: minimum value is 10s");
    scrub->finish();
    if (enabled)
        document.report().warning(scrub->place(),
                                  "scrub is not done: nothing checks the file system while it is "
                                  "mounted");
}

// Why a volume cannot be trimmed; empty: it can.
std::string_view obstacle(const model::VolumeSpec &spec) {
    if (!spec.mount) return "the volume is not mounted by this configuration";
    if (spec.encryption && !spec.encryption->allowDiscards)
        return "encryption.allowDiscards is not true, so that nothing would reach the device";
    return {};
}

}  // namespace

void readUpkeep(Fields &document, Draft &draft) {
    if (auto trim = document.map("trim")) {
        draft.trimEnabled = trim->flag("enabled");
        draft.trimInterval = readTrimInterval(*trim);
        draft.trim = document.report().position(trim->place());
        trim->finish();
    }
    readScrub(document);
}

std::optional<TrimDefault> readTrimDefault(Fields &document) {
    const std::size_t errorsBefore = document.report().errorCount();
    const TrimDefault general{readTrimInterval(document).value_or(kTrimInterval)};
    document.finish();
    if (document.report().errorCount() != errorsBefore) return std::nullopt;
    return general;
}

void resolveTrim(std::vector<Draft> &drafts, const std::optional<TrimDefault> &general,
                 std::vector<Problem> &problems) {
    for (Draft &draft : drafts) {
        const bool wanted = draft.trimEnabled.value_or(general.has_value());
        std::string_view reason = obstacle(draft.spec);
        if (wanted && reason.empty())
            draft.spec.trimInterval =
                draft.trimInterval.value_or(general.value_or(TrimDefault{kTrimInterval}).interval);
        const bool asked = draft.trimEnabled.value_or(draft.trimInterval.has_value());
        if (asked && !wanted)
            reason = "trim.enabled is not true, and there is no FilesystemTrimConfig";
        if (!draft.valid || !asked || reason.empty()) continue;
        problems.push_back({Level::Warning, draft.trim, base::ErrorCode::InvalidConfig,
                            fmt::format("trim is not done: {}", reason), draft.spec.id.text()});
    }
}

}  // namespace volumecrypt::config
