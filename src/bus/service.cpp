// SPDX-License-Identifier: Apache-2.0
// Builds the service in the order of dependence; the bus name is taken once every volume is known.
#include "bus/service.h"

#include <chrono>
#include <utility>

#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/journal.h"
#include "bus/connection.h"
#include "bus/intake.h"
#include "bus/objects.h"
#include "bus/polkit.h"
#include "bus/unit_launcher.h"
#include "bus/unit_states.h"
#include "daemon/apply.h"
#include "daemon/child_launcher.h"
#include "daemon/mount_watch.h"
#include "daemon/outcome_file.h"
#include "daemon/retries.h"
#include "daemon/udev_monitor.h"

namespace volumecrypt::bus {
namespace {

constexpr std::chrono::seconds kJobLinger{60};

bool runsSystemd(const DaemonOptions &options) {
    if (options.launcher == LauncherKind::Automatic)
        return ::access("/run/systemd/system", F_OK) == 0;
    return options.launcher == LauncherKind::Systemd;
}

daemon::EngineProgram engineProgram(const DaemonOptions &options) {
    daemon::EngineProgram program{.path = options.engine, .options = {}};
    if (!options.root.empty()) program.options = {"--root", options.root};
    for (const auto &folder : options.configDirs) {
        program.options.emplace_back("--config-dir");
        program.options.push_back(folder);
    }
    return program;
}

std::unique_ptr<daemon::EngineLauncher> makeLauncher(daemon::EventLoop &loop, BusSystemd *systemd) {
    if (systemd != nullptr) return std::make_unique<UnitLauncher>(*systemd);
    return std::make_unique<daemon::ChildLauncher>(loop);
}

}  // namespace

struct Service::Parts {
    Parts(daemon::EventLoop &eventLoop, const DaemonOptions &options,
          std::unique_ptr<BusConnection> busConnection)
        : loop(eventLoop),
          paths(options.root, options.configDirs),
          connection(std::move(busConnection)),
          callers(connection->bus()),
          intake(eventLoop, connection->bus(), callers),
          authorizer(connection->bus(), callers),
          gate(callers, authorizer),
          systemd(runsSystemd(options) ? std::make_unique<BusSystemd>(connection->bus()) : nullptr),
          launcher(makeLauncher(loop, systemd.get())),
          store(paths.jobDir()),
          runner(loop, *launcher, store, engineProgram(options)),
          inspector(loop, runner, store, volumes, paths),
          unitStates(connection->bus()),
          mounts(loop, volumes, unitStates, paths),
          jobs(loop, store, kJobLinger),
          engines(runner, store, jobs, volumes, inspector),
          operations(engines, inspector),
          recoveryKeys(loop),
          outcomes(paths),
          unlocker(engines, jobs, volumes, inspector, outcomes, systemd.get(), paths),
          retry(loop, volumes, unlocker),
          syncRetry(loop, volumes, engines),
          configurator(loop, volumes, inspector, paths),
          apply(loop, configurator, engines, jobs, volumes, inspector, unlocker, systemd.get(),
                paths),
          forecast(configurator, engines, volumes, inspector, systemd != nullptr, paths),
          use{volumes,      jobs,         operations,
              recoveryKeys, unlocker,     apply,
              forecast,     configurator, [this] { return tpm(); }},
          objects(connection->bus(), gate, use),
          udev(loop, [this](const daemon::DeviceEvent &event) { deviceEvent(event); }),
          outcomeWatch(loop, [this](const std::string &id, const std::string &verb) {
              outcomeWritten(id, verb);
          }) {
        callers.onLeft([this](const std::string &name) { recoveryKeys.forget(name); });
    }

    [[nodiscard]] bool tpm() const {
        return ::access(paths.below("/sys/class/tpmrm/tpmrm0").c_str(), F_OK) == 0;
    }
    void deviceEvent(const daemon::DeviceEvent &event);
    void outcomeWritten(const std::string &id, const std::string &verb);
    void begin();

    daemon::EventLoop &loop;
    model::SystemPaths paths;
    std::unique_ptr<BusConnection> connection;
    BusCallers callers;
    BusIntake intake;
    PolkitAuthorizer authorizer;
    BusGate gate;
    std::unique_ptr<BusSystemd> systemd;
    std::unique_ptr<daemon::EngineLauncher> launcher;
    daemon::JobStore store;
    daemon::EngineRunner runner;
    daemon::VolumeTable volumes;
    daemon::Inspector inspector;
    BusUnitStates unitStates;
    daemon::MountWatch mounts;
    daemon::JobTable jobs;
    daemon::EngineJobs engines;
    daemon::VolumeOperations operations;
    daemon::RecoveryKeys recoveryKeys;
    daemon::OutcomeFiles outcomes;
    daemon::Unlocker unlocker;
    daemon::AttachRetry retry;
    daemon::SyncRetry syncRetry;
    daemon::Configurator configurator;
    daemon::Apply apply;
    daemon::Forecast forecast;
    daemon::UseCases use;
    BusObjects objects;
    daemon::UdevMonitor udev;
    daemon::OutcomeWatch outcomeWatch;
};

void Service::Parts::deviceEvent(const daemon::DeviceEvent &event) {
    for (const auto &volume : volumes.all())
        if (daemon::concerns(event, *volume)) {
            inspector.request(volume);
            if (event.action == "remove" && !event.mapping.empty()) retry.mappingGone(*volume);
        }
}

void Service::Parts::outcomeWritten(const std::string &id, const std::string &verb) {
    const auto volume = volumes.find(id);
    // What we run ourselves tells us itself.
    if (!volume || !volume->operation().empty()) return;
    if (const auto outcome = outcomes.read(volume->id(), verb)) engines.remember(*volume, *outcome);
    inspector.request(volume);
}

void Service::Parts::begin() {
    engines.onSync(
        [this](const daemon::Volume &volume, const base::Result<daemon::EngineResult> &result) {
            syncRetry.ended(volume, result);
        });
    engines.onAttach(
        [this](const daemon::Volume &volume, const base::Result<daemon::EngineResult> &result) {
            retry.attached(volume, result);
        });
    engines.onEncrypt([this](const daemon::Volume &volume, const std::function<void()> &then) {
        unlocker.forgetPlain(volume, then);
    });
    inspector.onTaken([this](const daemon::Volume &volume, daemon::VolumeStatus &status) {
        mounts.fill(volume, status);
    });
    mounts.start();
    const auto records = store.load();
    configurator.read();
    for (const auto &volume : volumes.all())
        for (const auto &outcome : outcomes.readAll(volume->id()))
            engines.remember(*volume, outcome);
    for (const auto &record : records) engines.adopt(record);
    const auto warn = [](const base::Status &status) {
        if (!status) base::log(base::Severity::Warning, daemon::oneLine(status.error()));
    };
    warn(udev.start());
    warn(outcomeWatch.start(paths));
    // Nobody finds us before we know what we would tell them.
    configurator.inspectAll([this] {
        const auto named = connection->requestName(kBusName);
        if (named) {
            (void)::sd_notify(0, "READY=1");
            return;
        }
        base::log(base::Severity::Error, daemon::oneLine(named.error()));
        loop.quit(1);
    });
}

Service::Service(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Service::~Service() = default;

base::Result<std::unique_ptr<Service>> Service::start(daemon::EventLoop &loop,
                                                      const DaemonOptions &options) {
    try {
        VC_ASSIGN(auto connection, BusConnection::open(loop));
        auto parts = std::make_unique<Parts>(loop, options, std::move(connection));
        parts->begin();
        return std::unique_ptr<Service>(new Service(std::move(parts)));
    } catch (const std::exception &exception) {
        return base::fail(base::ErrorCode::Internal,
                          std::string("cannot start: ") + exception.what());
    }
}

}  // namespace volumecrypt::bus
