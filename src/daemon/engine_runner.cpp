// SPDX-License-Identifier: Apache-2.0
// The engine's output is a file that is read four times a second: it is there for the next daemon
// when this one goes, and an engine that reports much costs no more than one that reports little.
#include "daemon/engine_runner.h"

#include <array>
#include <cerrno>
#include <optional>
#include <utility>

#include <unistd.h>

#include "base/journal.h"
#include "base/unique_fd.h"

namespace volumecrypt::daemon {
namespace {

constexpr std::chrono::milliseconds kFollowInterval{250};
// Longer lines are no engine's.
constexpr std::size_t kLineLimit = std::size_t{1} << 20;

}  // namespace

struct EngineRunner::Run {
    std::uint64_t number = 0;
    std::string what;  // "sync of volume u-data", for messages
    EngineObserver observer;
    Done done;
    base::UniqueFd output;
    std::string partial;
    std::optional<base::Result<EngineResult>> last;
    EngineHandle handle;
    bool stopAsked = false;

    void take(std::string_view line);
    void told(const KeyHealths &keys) const;
    void readMore();
};

void EngineRunner::Run::told(const KeyHealths &keys) const {
    if (observer.keys && !keys.empty()) observer.keys(keys);
}

void EngineRunner::Run::take(std::string_view line) {
    auto message = parseEngineLine(line);
    if (const auto *progress = std::get_if<EngineProgress>(&message)) {
        if (observer.progress) observer.progress(*progress);
    } else if (const auto *warning = std::get_if<EngineWarning>(&message)) {
        if (observer.warning) observer.warning(*warning);
    } else if (auto *result = std::get_if<EngineResult>(&message)) {
        told(result->keys);
        last = std::move(*result);
    } else if (auto *failure = std::get_if<EngineFailure>(&message)) {
        told(failure->keys);
        if (observer.failed) observer.failed(failure->error);
        last = base::Result<EngineResult>(base::fail(std::move(failure->error)));
    }
}

void EngineRunner::Run::readMore() {
    std::array<char, 16384> chunk{};
    while (output.valid()) {
        const auto got = ::read(output.get(), chunk.data(), chunk.size());
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return;
        partial.append(chunk.data(), static_cast<std::size_t>(got));
        std::size_t begin = 0;
        for (auto end = partial.find('\n'); end != std::string::npos;
             end = partial.find('\n', begin)) {
            take(std::string_view(partial).substr(begin, end - begin));
            begin = end + 1;
        }
        partial.erase(0, begin);
        if (partial.size() > kLineLimit) partial.clear();
    }
}

namespace {

// All that an engine is handed comes by its standard input.
struct EngineInput {
    base::UniqueFd fd;
    const char *option = "--secret-fd";
};

base::Result<EngineInput> inputOf(EngineCommand &command) {
    std::vector<base::UniqueFd> given;
    const bool hasHeader = command.header.valid();
    for (base::UniqueFd *fd : {&command.header, &command.secret, &command.unlockSecret})
        if (fd->valid()) given.push_back(std::move(*fd));
    if (given.empty()) return EngineInput{};
    if (given.size() == 1)
        return EngineInput{.fd = std::move(given.front()),
                           .option = hasHeader ? "--header-fd" : "--secret-fd"};
    VC_ASSIGN(base::UniqueFd socket, base::handOver(given));
    return EngineInput{.fd = std::move(socket), .option = "--secrets-from"};
}

}  // namespace

EngineRunner::EngineRunner(EventLoop &loop, EngineLauncher &launcher, JobStore &store,
                           EngineProgram program)
    : loop_(loop), launcher_(launcher), store_(store), program_(std::move(program)) {}

std::shared_ptr<EngineRunner::Run> EngineRunner::add(std::uint64_t number, std::string what,
                                                     EngineObserver observer, Done done) {
    auto run = std::make_shared<Run>();
    run->number = number;
    run->what = std::move(what);
    run->observer = std::move(observer);
    run->done = std::move(done);
    runs_[number] = run;
    if (!timer_.active()) timer_ = loop_.every(kFollowInterval, [this] { follow(); });
    return run;
}

void EngineRunner::start(std::uint64_t number, EngineCommand command, EngineObserver observer,
                         Done done) {
    const auto run = add(number, command.verb + " of volume " + command.volume.text(),
                         std::move(observer), std::move(done));
    auto writeEnd = store_.createOutput(number);
    if (!writeEnd) return fail(number, std::move(writeEnd).error());
    auto readEnd = store_.openOutput(number);
    if (!readEnd) return fail(number, std::move(readEnd).error());
    run->output = std::move(*readEnd);

    auto input = inputOf(command);
    if (!input) return fail(number, std::move(input).error());
    EngineProcess process{.number = number,
                          .description = "VolumeCrypt: " + run->what,
                          .argv = {program_.path, command.verb, command.volume.text()},
                          .input = std::move(input->fd),
                          .output = std::move(*writeEnd),
                          .files = std::move(command.files),
                          .keyFiles = std::move(command.keyFiles),
                          .network = command.network,
                          .quiet = command.verb == "inspect" || command.verb == "plan",
                          .resources = command.resources,
                          .uid = command.uid};
    auto &argv = process.argv;
    argv.insert(argv.end(), program_.options.begin(), program_.options.end());
    argv.insert(argv.end(), {"--output", "json"});
    if (process.input.valid()) argv.insert(argv.end(), {input->option, "0"});
    argv.insert(argv.end(), command.arguments.begin(), command.arguments.end());
    launcher_.start(
        std::move(process),
        [this, number](base::Result<EngineHandle> handle) {
            if (!handle) return fail(number, std::move(handle).error());
            const auto found = runs_.find(number);
            if (found == runs_.end()) return;
            const auto started = found->second;
            started->handle = *handle;
            if (started->observer.started) started->observer.started(*handle);
            if (started->stopAsked) launcher_.stop(*handle);
        },
        [this, number](const std::string &how) { ended(number, how); });
}

void EngineRunner::adopt(const JobRecord &record, EngineObserver observer, Done done) {
    const auto number = record.number;
    const auto run = add(number, record.operation + " of volume " + record.volume,
                         std::move(observer), std::move(done));
    run->handle = record.handle;
    if (auto output = store_.openOutput(number)) run->output = std::move(*output);
    launcher_.adopt(record.handle, [this, number](const std::string &how) { ended(number, how); });
}

void EngineRunner::stop(std::uint64_t number) {
    const auto found = runs_.find(number);
    if (found == runs_.end()) return;
    const auto run = found->second;
    run->stopAsked = true;
    if (!run->handle.empty()) launcher_.stop(run->handle);
}

void EngineRunner::follow() {
    const auto runs = runs_;  // callbacks may start and end others
    for (const auto &[number, run] : runs) run->readMore();
}

void EngineRunner::fail(std::uint64_t number, base::Error error) {
    // Later, so that no caller sees `done` before start has returned.
    loop_.post([this, number, error = std::move(error)]() mutable {
        finish(number, base::Result<EngineResult>(base::fail(std::move(error))));
    });
}

void EngineRunner::ended(std::uint64_t number, const std::string &how) {
    const auto found = runs_.find(number);
    if (found == runs_.end()) return;
    const auto run = found->second;
    run->readMore();
    if (run->last) return finish(number, std::move(*run->last));
    base::Error error(run->stopAsked ? base::ErrorCode::Cancelled : base::ErrorCode::Internal,
                      run->what + ": the engine ended without a result (" + how + ")",
                      "Look for its last words in the journal, then try again.");
    finish(number, base::Result<EngineResult>(base::fail(std::move(error))));
}

void EngineRunner::finish(std::uint64_t number, base::Result<EngineResult> result) {
    const auto found = runs_.find(number);
    if (found == runs_.end()) return;
    const auto run = found->second;
    runs_.erase(found);
    if (runs_.empty()) timer_.reset();
    run->done(std::move(result));
}

}  // namespace volumecrypt::daemon
