// SPDX-License-Identifier: Apache-2.0
// Jobs and changes: listing, waiting, watching.
#include <algorithm>
#include <optional>

#include "cli/client_impl.h"

namespace volumecrypt::cli {
namespace {

using base::Result;
using base::Status;

constexpr std::chrono::milliseconds kProgressEvery{500};
// A service that restarts does not answer for a moment.
constexpr int kMostFailures = 6;
constexpr std::chrono::milliseconds kWatchTurn{60'000};

std::string jobPath(const std::string &number) {
    return std::string(kRoot) + "/job/" + number;
}

bool isNumber(const std::string &text) {
    return !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
}

base::Error noSuchJob(const std::string &number) {
    return {base::ErrorCode::NotFound, "there is no job " + number,
            "`volumecryptctl jobs` lists them."};
}

base::Error interruptedError(const std::string &number) {
    return {base::ErrorCode::Cancelled, "no longer waiting: job " + number + " goes on",
            "`volumecryptctl watch " + number + "` waits for it again, `volumecryptctl cancel " +
                number + "` stops it."};
}

// Of a job that had ended before anybody waited for it.
Result<std::string> endOf(const JobInfo &job) {
    if (job.error.empty()) return job.message;
    return base::fail(errorFromBus(kErrorPrefix + job.error, job.message));
}

Event eventOf(const std::string &path, const std::string &interface, std::string what) {
    Event event;
    event.what = std::move(what);
    if (interface == kVolumeInterface) event.volume = volumeIdOf(path);
    if (interface == kJobInterface) event.job = jobNumber(path);
    return event;
}

// Turns the signals of the service into events.
class Watcher {
  public:
    Watcher(sdbus::IConnection &connection, const std::function<bool(const Event &)> &onEvent)
        : onEvent_(onEvent) {
        const std::string ours =
            std::string("type='signal',sender='") + kService + "',path_namespace='" + kRoot + "'";
        match_ = bus::addMatch(connection, ours, [this](sdbus::Message &message) {
            // A signal that is not what it should be is not ours to report.
            (void)guarded([&] { onSignal(message); });
        });
        // After the match: what changes meanwhile is told too.
        std::map<sdbus::ObjectPath, std::map<std::string, Properties>> objects;
        bus::makeProxy(connection, kService, kRoot)
            ->callMethod("GetManagedObjects")
            .onInterface("org.freedesktop.DBus.ObjectManager")
            .storeResultsTo(objects);
        for (const auto &[path, interfaces] : objects)
            for (const auto &[interface, properties] : interfaces) {
                Event silent;
                addValues(silent, path, properties);
            }
    }

    [[nodiscard]] bool done() const { return done_; }

  private:
    void onSignal(sdbus::Message &message) {
        const std::string member = message.getMemberName();
        if (member == "PropertiesChanged") changed(message);
        if (member == "InterfacesAdded") added(message);
        if (member == "InterfacesRemoved") removed(message);
        if (member == "Finished") finished(message);
    }

    void changed(sdbus::Message &message) {
        std::string interface;
        Properties properties;
        std::vector<std::string> unknown;
        message >> interface >> properties >> unknown;
        Event event = eventOf(message.getPath(), interface, "changed");
        addValues(event, message.getPath(), properties);
        for (const auto &name : unknown) event.values.emplace_back(name, nullptr);
        report(event);
    }

    void added(sdbus::Message &message) {
        sdbus::ObjectPath path;
        std::map<std::string, Properties> interfaces;
        message >> path >> interfaces;
        for (const auto &[interface, properties] : interfaces) {
            Event event = eventOf(path, interface, "added");
            addValues(event, path, properties);
            report(event);
        }
    }

    void removed(sdbus::Message &message) {
        sdbus::ObjectPath path;
        std::vector<std::string> interfaces;
        message >> path >> interfaces;
        for (const auto &interface : interfaces) report(eventOf(path, interface, "removed"));
        known_.erase(path);
    }

    void finished(sdbus::Message &message) {
        JobEnd end;
        message >> end.success >> end.error >> end.message;
        Event event = eventOf(message.getPath(), kJobInterface, "finished");
        event.values = {{"success", end.success}, {"error", end.error}, {"message", end.message}};
        report(event);
    }

    // Remembers what an object's properties are, and what those that changed were.
    void addValues(Event &event, const std::string &path, const Properties &properties) {
        auto &known = known_[path];
        for (const auto &[name, value] : properties) {
            nlohmann::json json = jsonFrom(value);
            if (const auto old = known.find(name); old != known.end() && old->second != json)
                event.old.emplace(name, old->second);
            known.insert_or_assign(name, json);
            event.values.emplace_back(name, std::move(json));
        }
    }

    [[nodiscard]] std::string operationOf(const std::string &job) const {
        const auto found = known_.find(jobPath(job));
        if (found == known_.end()) return {};
        const auto text = [&](const char *name) {
            const auto property = found->second.find(name);
            return property == found->second.end() || !property->second.is_string()
                       ? std::string()
                       : property->second.get<std::string>();
        };
        const std::string operation = text("Operation");
        const std::string volume = volumeIdOf(text("Volume"));
        return volume.empty() ? operation : operation + " of " + volume;
    }

    void report(Event event) {
        if (event.volume.empty() && event.job.empty()) return;
        if (!event.job.empty()) event.operation = operationOf(event.job);
        if (!done_ && !onEvent_(event)) done_ = true;
    }

    const std::function<bool(const Event &)> &onEvent_;
    std::map<std::string, std::map<std::string, nlohmann::json>> known_;
    bool done_ = false;
    sdbus::Slot match_;
};

}  // namespace

Result<std::vector<JobInfo>> Client::jobs() {
    return guarded([&] {
        std::vector<JobInfo> jobs;
        for (const auto &path : impl_->manager().ListJobs()) {
            // One that goes away between the two calls is no job any more.
            auto properties = guarded([&] { return impl_->propertiesOf(path, kJobInterface); });
            if (properties) jobs.push_back(jobFrom(path, *properties));
        }
        return jobs;
    });
}

Status Client::cancel(const std::string &number) {
    if (!isNumber(number)) return base::fail(noSuchJob(number));
    return guarded([&] {
        bus::makeProxy(*impl_->connection, kService, jobPath(number))
            ->callMethod("Cancel")
            .onInterface(kJobInterface)
            .withArguments(Properties{});
    });
}

// The job as it is now; nothing when the service does not know it (any more). Asking also starts
// the service again, should it have ended: it adopts running jobs.
Result<std::optional<JobInfo>> Client::Impl::lookAtJob(const std::string &path) {
    try {
        return jobFrom(path, propertiesOf(path, kJobInterface));
    } catch (const sdbus::Error &error) {
        if (error.getName() == "org.freedesktop.DBus.Error.UnknownObject") return std::nullopt;
        return base::fail(errorFromBus(error.getName(), error.getMessage()));
    }
}

Result<std::string> Client::waitForJob(const std::string &number,
                                       const std::function<void(const JobInfo &)> &onProgress) {
    if (!isNumber(number)) return base::fail(noSuchJob(number));
    const Interruptible signals;
    const std::string path = jobPath(number);
    bool known = true;
    bool seen = false;
    int failures = 0;
    for (;;) {
        // An end that came before a job was found unknown is among the signals handled here.
        VC_TRY(guarded([&] { impl_->handleArrived(); }));
        if (const auto end = impl_->ends.find(path); end != impl_->ends.end()) {
            if (end->second.success) return end->second.message;
            return base::fail(errorFromBus(end->second.error, end->second.message));
        }
        if (!known && !seen) return base::fail(noSuchJob(number));
        if (!known)
            return base::fail(base::ErrorCode::Internal,
                              "the service no longer knows job " + number,
                              "`volumecryptctl status` shows what came of it.");
        if (signals.happened()) return base::fail(interruptedError(number));
        const auto job = impl_->lookAtJob(path);
        if (!job && ++failures == kMostFailures) return base::fail(job.error());
        if (job) {
            failures = 0;
            known = job->has_value();
            seen = seen || known;
            if (known && (*job)->finishedAt != 0) return endOf(**job);
            if (known) onProgress(**job);
        }
        if (known) VC_TRY(guarded([&] { impl_->turn(signals, kProgressEvery); }));
    }
}

std::vector<JobResult> Client::resultsOf(const std::string &number) {
    const auto job = impl_->lookAtJob(jobPath(number));
    return job && *job ? (*job)->results : std::vector<JobResult>();
}

Status Client::watch(const std::function<bool(const Event &)> &onEvent) {
    const Interruptible signals;
    return guarded([&] {
        const Watcher watcher(*impl_->connection, onEvent);
        while (!watcher.done() && !signals.happened()) impl_->turn(signals, kWatchTurn);
    });
}

}  // namespace volumecrypt::cli
