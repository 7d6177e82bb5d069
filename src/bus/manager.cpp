// SPDX-License-Identifier: Apache-2.0
// The methods of the Manager interface: thin, over the use cases.
#include "bus/manager.h"

#include <utility>

#include "build_config.h"
#include "bus/options.h"
#include "bus/text.h"

namespace volumecrypt::bus {
namespace {

constexpr std::size_t kQuoted = 64;

}  // namespace

BusManager::BusManager(sdbus::IConnection &bus, BusGate &gate, daemon::UseCases &use)
    : AdaptorInterfaces(bus, sdbus::ObjectPath(kRootPath)), gate_(gate), use_(use) {
    registerAdaptor();
}

BusManager::~BusManager() {
    unregisterAdaptor();
}

void BusManager::configErrorsChanged() {
    daemon::guarded([this] {
        emitPropertiesChangedSignal(Adaptor::INTERFACE_NAME,
                                    properties({"ConfigErrors", "ConfigWarnings", "TpmPresent"}));
    });
}

std::string BusManager::Version() {
    return VOLUMECRYPT_VERSION;
}

std::vector<BusManager::ConfigError> BusManager::problems(config::Level level) const {
    std::vector<ConfigError> problems;
    for (const auto &problem : use_.volumes.problems()) {
        if (problem.level != level) continue;
        problems.emplace_back(busText(problem.position.file), problem.position.line,
                              problem.position.column, std::string(base::errorName(problem.code)),
                              busText(problem.message));
    }
    return problems;
}

std::vector<BusManager::ConfigError> BusManager::ConfigErrors() {
    return problems(config::Level::Error);
}

std::vector<BusManager::ConfigError> BusManager::ConfigWarnings() {
    return problems(config::Level::Warning);
}

sdbus::ObjectPath BusManager::GetVolume(const std::string &id) {
    return answering([&] {
        const auto volume = use_.volumes.find(id);
        if (volume && volume->published()) return volumePath(id);
        throw toBusError(base::Error(
            base::ErrorCode::NotFound, "no volume '" + id.substr(0, kQuoted) + "' is declared",
            "See `volumecryptctl list`; if it should be there, `volumecryptctl check` says what is "
            "wrong with the configuration, and `volumecryptctl reload` reads it again."));
    });
}

std::vector<sdbus::ObjectPath> BusManager::ListJobs() {
    return answering([&] {
        std::vector<sdbus::ObjectPath> paths;
        for (const auto number : use_.jobs.numbers()) paths.push_back(jobPath(number));
        return paths;
    });
}

void BusManager::Plan(sdbus::Result<std::vector<VolumeSteps>> &&result) {
    answering([&] {
        const Reply<std::vector<VolumeSteps>> reply(std::move(result));
        gate_.pass<daemon::action::ManageKeys>(
            getObject(), reply, {.operation = "plan"},
            [&use = use_, reply](const daemon::Authorized<daemon::action::ManageKeys> &proof) {
                use.forecast.plan(proof, [reply](const base::Result<daemon::Forecast::All> &all) {
                    if (!all) return reply.fail(all.error());
                    std::vector<VolumeSteps> volumes;
                    for (const auto &[id, steps] : *all) volumes.emplace_back(id, toMaps(steps));
                    reply.succeed(volumes);
                });
            });
    });
}

void BusManager::Reload(sdbus::Result<> &&result, Options options) {
    answering([&] {
        checkOptions(options, {});
        const Reply<> reply(std::move(result));
        gate_.pass<daemon::action::Reload>(
            getObject(), reply, {.operation = "reload"},
            [&use = use_, reply](const daemon::Authorized<daemon::action::Reload> &proof) {
                use.configurator.reload(proof, [reply] { reply.succeed(); });
            });
    });
}

void BusManager::Apply(sdbus::Result<sdbus::ObjectPath> &&result, Options options) {
    answering([&] {
        checkOptions(options, {"volume", "secret"});
        const auto how = std::make_shared<daemon::ApplyOptions>();
        how->volume = textOption(options, "volume");
        how->secret = fdOption(options, "secret");
        if (how->secret.valid() && how->volume.empty())
            refuseArgument("a passphrase opens one volume: 'secret' needs 'volume'");
        const Reply<sdbus::ObjectPath> reply(std::move(result));
        gate_.pass<daemon::action::ManageKeys>(
            getObject(), reply, {.operation = "apply"},
            [&use = use_, reply, how](const daemon::Authorized<daemon::action::ManageKeys> &proof) {
                const auto job = use.apply.start(proof, std::move(*how));
                if (!job) return reply.fail(job.error());
                reply.succeed(jobPath((*job)->record().number));
            });
    });
}

}  // namespace volumecrypt::bus
