// SPDX-License-Identifier: Apache-2.0
// Loads the configuration, logs what is wrong, has every volume inspected.
#include "daemon/configuration.h"

#include <chrono>
#include <memory>
#include <set>
#include <utility>

#include <unistd.h>

#include "base/journal.h"
#include "config/last_good.h"
#include "config/loader.h"
#include "model/names.h"

namespace volumecrypt::daemon {
namespace {

// Less than the time that the bus gives an activated service.
constexpr std::chrono::seconds kPatience{15};

// Those whose inspection is not over, and what comes after.
struct Round {
    std::set<VolumePointer> pending;
    Configurator::Then then;
    EventLoop::Source deadline;

    void over() {
        deadline.reset();
        if (const auto next = std::exchange(then, {})) next();
    }
};

base::Error configError(const std::vector<config::Problem> &problems) {
    std::string first;
    std::size_t count = 0;
    for (const auto &problem : problems) {
        if (problem.level != config::Level::Error) continue;
        if (count++ == 0) first = problem.text();
    }
    if (count > 1) first += " (and " + std::to_string(count - 1) + " more)";
    return {base::ErrorCode::InvalidConfig, std::move(first),
            "Correct the configuration (`volumecryptctl check` lists all errors); nothing was "
            "changed."};
}

}  // namespace

void Configurator::reload(const Authorized<action::Reload> &proof, Then then) {
    base::log(base::Severity::Info,
              "Reading the configuration for uid " + std::to_string(proof.caller().uid),
              {{"OPERATION", "reload"}, {"CALLER_UID", std::to_string(proof.caller().uid)}});
    read();
    inspectAll(std::move(then));
}

void Configurator::read() {
    config::Configuration configuration = config::load(paths_, config::Secrets::Drop);
    const auto isOpen = [this](const model::VolumeId &id) {
        return ::access(paths_.below(model::mappingPath(id)).c_str(), F_OK) == 0;
    };
    if (const auto kept = config::keepLastGood(paths_, configuration, isOpen); !kept)
        base::log(base::Severity::Warning, kept.error().message);
    // One that was just taken out of a valid configuration is for Apply to close, not to keep.
    if (configuration.hasErrors()) config::addLastGood(paths_, isOpen, configuration);
    volumes_.configure(std::move(configuration));
    marks_.recall(volumes_);
    for (const auto &problem : volumes_.problems())
        base::log(
            problem.level == config::Level::Error ? base::Severity::Error : base::Severity::Warning,
            problem.text(),
            {{"VOLUME", problem.volume}, {"CODE", std::string(base::errorName(problem.code))}});
}

base::Status Configurator::readWhole() {
    read();
    if (volumes_.hasErrors()) return base::fail(configError(volumes_.problems()));
    return {};
}

void Configurator::inspectAll(Then then) {
    const auto round = std::make_shared<Round>();
    round->then = std::move(then);
    // What is busy is inspected when it is done; until then its status is the one from before.
    for (const auto &volume : volumes_.all())
        if (volume->operation().empty() || !volume->published()) round->pending.insert(volume);
    if (round->pending.empty()) return loop_.post([round] { round->over(); });
    round->deadline = loop_.after(kPatience, [this, round] {
        for (const auto &volume : round->pending) {
            if (!volume->published())
                volumes_.setLastError(
                    *volume, "inspect",
                    {base::ErrorCode::Busy,
                     "volume " + volume->id().text() + ": its inspection takes unusually long"});
            volumes_.publish(*volume);
        }
        round->over();
    });
    for (const auto &volume : std::set<VolumePointer>(round->pending))
        inspector_.inspect(volume, [round, volume] {
            round->pending.erase(volume);
            if (round->pending.empty()) round->over();
        });
}

}  // namespace volumecrypt::daemon
