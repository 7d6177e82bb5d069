// SPDX-License-Identifier: Apache-2.0
// JSON lines and their equivalents in text.
#include "volume/reporter.h"

#include <cstdio>
#include <utility>

#include "base/files.h"
#include "base/foreign_json.h"
#include "base/journal.h"
#include "base/text.h"

namespace volumecrypt::volume {
namespace {

using Json = nlohmann::json;

std::string lineOf(const Json &object) {
    return object.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

Json stepJson(const model::Step &step) {
    return {{"type", "step"},
            {"action", model::actionName(step.action)},
            {"slot", step.slot},
            {"kind", model::keyKindName(step.kind)},
            {"reason", step.reason}};
}

Reporter::Reporter(std::string verb, std::string volume, OutputFormat format)
    : verb_(std::move(verb)), volume_(std::move(volume)), format_(format) {}

void Reporter::line(const Json &object) {
    // A reader that went away must not kill us between two writes to a header: SIGPIPE is ignored
    // by main.
    std::fputs(lineOf(object).c_str(), stdout);
    std::fflush(stdout);
}

void Reporter::keep(const Json &object) const {
    if (outcomePath_.empty()) return;
    const auto written =
        base::writeFileAtomically(outcomePath_, lineOf(object), 0600, base::Flush::No);
    // The volume is what it is; only the news of it is lost.
    if (!written) base::log(base::Severity::Debug, written.error().message);
}

void Reporter::addKeys(Json &object) const {
    if (keys_.empty()) return;
    Json keys = Json::array();
    for (const auto &[slot, health] : keys_)
        keys.push_back({{"slot", slot}, {"health", model::healthName(health)}});
    object["keys"] = std::move(keys);
}

void Reporter::step(const model::Step &step) {
    if (format_ == OutputFormat::Json) return line(stepJson(step));
    std::printf("%s: slot %u (%s): %s: %s\n", volume_.c_str(), step.slot,
                std::string(model::keyKindName(step.kind)).c_str(),
                std::string(model::actionName(step.action)).c_str(),
                base::printable(step.reason).c_str());
    std::fflush(stdout);
}

void Reporter::progress(std::uint64_t done, std::uint64_t total) {
    if (format_ == OutputFormat::Json)
        line({{"type", "progress"}, {"done", done}, {"total", total}});
}

void Reporter::warning(base::ErrorCode code, const std::string &message) {
    Json warning{{"code", base::errorName(code)}, {"message", message}};
    warnings_.push_back(warning);
    if (format_ == OutputFormat::Json) {
        warning["type"] = "warning";
        return line(warning);
    }
    std::fprintf(stderr, "%s: warning: %s\n", volume_.c_str(),
                 base::printableLines(message).c_str());
}

int Reporter::result(const Outcome &outcome) {
    Json object = outcome.extra;
    object["type"] = "result";
    object["verb"] = verb_;
    object["volume"] = volume_;
    object["state"] = model::stateName(outcome.state);
    object["changed"] = outcome.changed;
    if (!warnings_.empty()) object["warnings"] = warnings_;
    addKeys(object);
    keep(object);
    if (format_ == OutputFormat::Json) {
        line(object);
    } else if (!outcome.text.empty()) {
        std::printf("%s\n", base::printableLines(outcome.text).c_str());
    } else {
        std::printf("%s: %s%s\n", volume_.c_str(),
                    std::string(model::stateName(outcome.state)).c_str(),
                    outcome.changed ? "" : " (nothing to do)");
    }
    std::fflush(stdout);
    return outcome.exitStatus;
}

int Reporter::error(const base::Error &error) {
    Json object = base::toJson(error);
    object["type"] = "error";
    object["verb"] = verb_;
    object["volume"] = volume_;
    addKeys(object);
    keep(object);
    if (format_ == OutputFormat::Json) {
        line(object);
    } else {
        std::fprintf(stderr, "%s: %s failed: %s (%s)\n", volume_.c_str(), verb_.c_str(),
                     base::printableLines(error.message).c_str(),
                     std::string(base::errorName(error.code)).c_str());
        if (!error.hint.empty())
            std::fprintf(stderr, "%s: hint: %s\n", volume_.c_str(),
                         base::printableLines(error.hint).c_str());
    }
    return error.retry ? kExitRetry : kExitError;
}

}  // namespace volumecrypt::volume
