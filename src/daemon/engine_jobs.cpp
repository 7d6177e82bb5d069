// SPDX-License-Identifier: Apache-2.0
// Engine results become volume status and job outcomes.
#include "daemon/engine_jobs.h"

#include <utility>

#include "base/journal.h"

namespace volumecrypt::daemon {
namespace {

// Past tense of a step; empty for those that change nothing and need no mention.
std::string_view pastTense(const std::string &action) {
    if (action == "add") return "added";
    if (action == "replace") return "replaced";
    if (action == "remove") return "removed";
    if (action == "adopt") return "adopted";
    if (action == "defer") return "deferred";
    if (action == "refuse") return "refused";
    return {};
}

bool isOpenEnd(const StepText &step) {
    return step.action == "defer" || step.action == "refuse";
}

// What was changed is in the engine's own entries, but not what it had to leave.
void logOpenEnds(const Volume &volume, const JobPointer &job, const EngineResult &result) {
    for (const auto &step : result.steps) {
        if (!isOpenEnd(step)) continue;
        base::Fields fields{{"MESSAGE_ID", std::string(base::message_id::kSlotChanged)},
                            {"VOLUME", volume.id().text()},
                            {"OPERATION", result.verb},
                            {"SLOT", std::to_string(step.slot)}};
        if (job) fields.emplace_back("CALLER_UID", std::to_string(job->record().uid));
        base::log(base::Severity::Warning,
                  volume.id().text() + ": " + std::string(pastTense(step.action)) + " slot " +
                      std::to_string(step.slot) + " (" + step.kind + "): " + step.reason,
                  fields);
    }
}

// What an engine may write to besides devices: STATE has the salt and the pins of the others.
std::vector<std::string> filesFor(const Volume &volume, VolumeTable &volumes) {
    auto files = volume.files();
    const auto state = volumes.find(model::VolumeId::state().text());
    if (state && state->spec().mount && volume.id().kind() != model::VolumeKind::State)
        files.push_back(state->spec().mount->where);
    return files;
}

}  // namespace

std::string summaryOf(const EngineResult &result) {
    std::string text;
    for (const auto &step : result.steps) {
        const auto verb = pastTense(step.action);
        if (verb.empty()) continue;
        if (!text.empty()) text += ", ";
        text += std::string(verb) + " slot " + std::to_string(step.slot) + " (" + step.kind + ")";
        if (isOpenEnd(step)) text += ": " + step.reason;
    }
    if (!text.empty()) return text;
    // What a verb without steps says of itself.
    for (const auto &note : result.notes) text += (text.empty() ? "" : ", ") + note;
    if (!text.empty()) return text;
    return result.changed ? "done" : "nothing to do";
}

EngineObserver EngineJobs::observerOf(const VolumePointer &volume, const JobPointer &job) {
    auto observer = partObserverOf(volume, job, job->record().operation);
    observer.started = [this, job](const EngineHandle &handle) { jobs_.setHandle(*job, handle); };
    observer.progress = [this, job](const EngineProgress &progress) {
        jobs_.setProgress(*job, progress);
    };
    return observer;
}

// Of an engine that is a part of a job, or of none.
EngineObserver EngineJobs::partObserverOf(const VolumePointer &volume, const JobPointer &job,
                                          const std::string &verb) {
    EngineObserver observer;
    observer.keys = [this, volume](const KeyHealths &keys) { volumes_.learnKeys(*volume, keys); };
    // A look at it: its warnings are those of every other one.
    if (verb == "plan") return observer;
    observer.warning = [volume, verb](const EngineWarning &warning) {
        base::log(base::Severity::Warning, volume->id().text() + ": " + warning.message,
                  {{"VOLUME", volume->id().text()}, {"OPERATION", verb}, {"CODE", warning.code}});
    };
    if (job) observer.failed = [job](const base::Error &error) { job->noteLogged(error); };
    return observer;
}

base::Result<JobPointer> EngineJobs::start(const VolumePointer &volume, EngineCommand command,
                                           std::uint32_t uid, Done done) {
    VC_TRY(volume->begin(command.verb));
    const auto job = jobs_.create(command.verb, volume->id().text(), uid);
    const auto number = job->record().number;
    job->onCancel([this, number] { runner_.stop(number); });
    const auto files = filesFor(*volume, volumes_);
    command.files.insert(command.files.end(), files.begin(), files.end());
    command.keyFiles = volume->keyFiles();
    command.network = volume->needsNetwork();
    command.uid = uid;
    runner_.start(
        number, std::move(command), observerOf(volume, job),
        [this, volume, job, done = std::move(done)](const base::Result<EngineResult> &result) {
            ended(volume, job, done, result);
        });
    return job;
}

void EngineJobs::adopt(const JobRecord &record) {
    const auto job = jobs_.restore(record);
    const auto volume = volumes_.find(record.volume);
    if (record.handle.empty() || !volume || !volume->begin(record.operation)) {
        jobs_.finish(*job, base::fail(base::ErrorCode::Cancelled,
                                      "the service was restarted during " + record.operation,
                                      "Start it again; it goes on from where it is."));
        return;
    }
    const auto number = record.number;
    job->onCancel([this, number] { runner_.stop(number); });
    runner_.adopt(record, observerOf(volume, job),
                  [this, volume, job](const base::Result<EngineResult> &result) {
                      ended(volume, job, {}, result);
                  });
}

void EngineJobs::run(const VolumePointer &volume, EngineCommand command, const JobPointer &job,
                     Done done) {
    const auto verb = command.verb;
    const auto number = store_.takeNumber();
    command.files = filesFor(*volume, volumes_);
    command.keyFiles = volume->keyFiles();
    command.network = volume->needsNetwork();
    if (job) job->onCancel([this, number] { runner_.stop(number); });
    if (job) command.uid = job->record().uid;
    runner_.start(number, std::move(command), partObserverOf(volume, job, verb),
                  [this, volume, job, verb, number,
                   done = std::move(done)](base::Result<EngineResult> result) {
                      store_.remove(number);
                      remember(*volume, verb, result);
                      if (result && verb != "plan") logOpenEnds(*volume, job, *result);
                      done(std::move(result));
                  });
}

void EngineJobs::ended(const VolumePointer &volume, const JobPointer &job, const Done &done,
                       const base::Result<EngineResult> &result) {
    remember(*volume, job->record().operation, result);
    if (result) logOpenEnds(*volume, job, *result);
    if (result)
        for (const auto &warning : result->warnings)
            job->addResult(
                {.volume = volume->id().text(), .action = kWarnStep, .text = warning.message});
    // The properties are true before anybody hears that the job has finished.
    inspector_.inspect(volume, [this, volume, job, done, result] {
        const auto finish = [this, volume, job, done, result] {
            volume->end();
            if (done) done(result);
            if (result)
                jobs_.finish(*job, summaryOf(*result));
            else
                jobs_.finish(*job, base::fail(result.error()));
        };
        if (job->record().operation == "encrypt" && encrypted_) return encrypted_(*volume, finish);
        finish();
    });
}

void EngineJobs::remember(Volume &volume, const PastOutcome &outcome) {
    volumes_.learnKeys(volume, outcome.keys);
    remember(volume, outcome.verb, outcome.result);
}

void EngineJobs::remember(Volume &volume, const std::string &verb,
                          const base::Result<EngineResult> &result) {
    if (verb == "plan") return;
    if (verb == "attach" && attachEnded_) attachEnded_(volume, result);
    if (verb == "sync" && syncEnded_) syncEnded_(volume, result);
    if (!result) return volumes_.setLastError(volume, verb, result.error());
    volumes_.clearLastError(volume, verb);
    auto status = volume.status();
    if (verb == "attach" && result->unlockedBySlot)
        status.unlockedBySlot = static_cast<int>(*result->unlockedBySlot);
    if (verb == "sync") {
        status.failedSyncs.clear();
        for (const auto &step : result->steps)
            if (isOpenEnd(step)) status.failedSyncs.emplace_back(step.slot, step.reason);
    }
    volumes_.update(volume, std::move(status));
}

}  // namespace volumecrypt::daemon
