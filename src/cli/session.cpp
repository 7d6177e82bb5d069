// SPDX-License-Identifier: Apache-2.0
// Printing of results and errors, waiting for jobs.
#include "cli/session.h"

#include <cstdio>
#include <utility>

#include <fmt/format.h>
#include <unistd.h>

#include "cli/exit_code.h"
#include "cli/progress.h"
#include "cli/render.h"
#include "cli/text.h"
#include "cli/volume_json.h"

namespace volumecrypt::cli {

Session::Session(const Arguments &arguments, Client client)
    : arguments_(arguments),
      client_(std::move(client)),
      out_(Style::of(STDOUT_FILENO)),
      err_(Style::of(STDERR_FILENO)) {}

std::optional<Terminal> Session::person() const {
    return personAt(arguments_);
}

base::Status Session::mayType() {
    auto may = client_.authorize(arguments_.volume, arguments_.command->name);
    // One that was declared since the service read the configuration: apply reads it.
    const bool isNew = !may && may.error().code == base::ErrorCode::NotFound &&
                       arguments_.command->takesNewVolumes;
    return isNew ? base::Status() : may;
}

void Session::result(const std::string &sentence, const std::string &plain,
                     const nlohmann::json &members) {
    printResult(arguments_, sentence, plain, members);
}

base::Result<std::string> Session::wait(const std::string &job) {
    ProgressLine line(err_);
    double last = -1;
    return client_.waitForJob(job, [&](const JobInfo &info) {
        if (!arguments_.json) {
            line.show(info);
        } else if (info.progress != last) {
            last = info.progress;
            print(jsonLine({{"type", "progress"},
                            {"job", info.number},
                            {"progress", info.progress},
                            {"done", info.bytesDone},
                            {"total", info.bytesTotal}}));
        }
    });
}

int Session::finish(const base::Result<std::string> &job, const std::string &volume) {
    if (!job) return reportError(arguments_, volume, job.error());
    nlohmann::json members = {{"job", *job}};
    if (!volume.empty()) members["volume"] = volume;
    if (arguments_.noWait) {
        result(fmt::format("Job {} runs; `volumecryptctl jobs` shows it.", *job), *job, members);
        return kExitDone;
    }
    const auto end = wait(*job);
    if (!end) return reportError(arguments_, volume, end.error());
    for (const auto &told : client_.resultsOf(*job)) showResult(*this, told);
    members["message"] = *end;
    const std::string what = end->empty() ? std::string(arguments_.command->name) + ": done" : *end;
    const bool named = volume.empty() || what.starts_with(volume + ": ");
    result(named ? what : volume + ": " + what, "", members);
    return kExitDone;
}

std::optional<Terminal> personAt(const Arguments &arguments) {
    if (arguments.json || ::isatty(STDIN_FILENO) != 1) return std::nullopt;
    return Terminal::open();
}

void printResult(const Arguments &arguments, const std::string &sentence, const std::string &plain,
                 const nlohmann::json &members) {
    if (arguments.json) {
        nlohmann::json line = {{"type", "result"}, {"verb", arguments.command->name}};
        line.update(members);
        print(jsonLine(line));
    } else if (Style::of(STDOUT_FILENO).terminal) {
        print(printable(sentence) + "\n");
    } else if (!plain.empty()) {
        print(printable(plain) + "\n");
    }
}

int reportError(const Arguments &arguments, const std::string &volume, const base::Error &error) {
    // What was printed before comes first, also when both go to one file.
    if (arguments.json) print(jsonLine(errorJson(arguments.command->name, volume, error)));
    const std::string text = renderError(volume, error, Style::of(STDERR_FILENO));
    (void)std::fwrite(text.data(), 1, text.size(), stderr);
    return exitCodeOf(error);
}

int failed(const Session &session, const base::Error &error) {
    return reportError(session.arguments(), session.arguments().volume, error);
}

int reportUsage(const std::string &message, const std::string &hint) {
    std::fprintf(stderr, "volumecryptctl: %s\nhint: %s\n", message.c_str(), hint.c_str());
    return kExitUsage;
}

void showResult(const Session &session, const JobResult &result) {
    if (session.arguments().json) {
        print(jsonLine({{"type", "outcome"},
                        {"volume", result.volume},
                        {"action", result.action},
                        {"text", result.text},
                        {"hint", result.hint}}));
        return;
    }
    if (!result.failed()) {
        print(renderResult(result, session.out()));
        return;
    }
    const std::string text = renderError(
        result.volume, {base::ErrorCode::Internal, result.text, result.hint}, session.err());
    (void)std::fwrite(text.data(), 1, text.size(), stderr);
}

void print(const std::string &text) {
    (void)std::fwrite(text.data(), 1, text.size(), stdout);
    (void)std::fflush(stdout);
}

}  // namespace volumecrypt::cli
