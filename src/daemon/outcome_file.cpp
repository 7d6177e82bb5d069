// SPDX-License-Identifier: Apache-2.0
// Reads the last lines of engines: a small file for each volume and verb, and inotify on their
// folder.
#include "daemon/outcome_file.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include <unistd.h>

#include "base/files.h"

namespace volumecrypt::daemon {
namespace {

// Those that run without the daemon too: by units and by hand.
constexpr std::array<const char *, 3> kVerbs{"attach", "detach", "sync"};
constexpr std::string_view kSuffix = ".json";

}  // namespace

std::optional<PastOutcome> OutcomeFiles::read(const model::VolumeId &id,
                                              const std::string &verb) const {
    const auto path = paths_.outcome(id, verb);
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) return std::nullopt;
    const auto line = base::readFile(path, std::size_t{1} << 20);
    if (!line) return std::nullopt;
    const auto when = std::chrono::system_clock::from_time_t(status.st_mtim.tv_sec) +
                      std::chrono::duration_cast<std::chrono::system_clock::duration>(
                          std::chrono::nanoseconds(status.st_mtim.tv_nsec));
    auto message = parseEngineLine(*line);
    if (auto *result = std::get_if<EngineResult>(&message)) {
        auto keys = result->keys;
        return PastOutcome{
            .verb = verb, .when = when, .result = std::move(*result), .keys = std::move(keys)};
    }
    if (auto *failure = std::get_if<EngineFailure>(&message))
        return PastOutcome{.verb = verb,
                           .when = when,
                           .result = base::fail(std::move(failure->error)),
                           .keys = std::move(failure->keys)};
    return std::nullopt;
}

std::vector<PastOutcome> OutcomeFiles::readAll(const model::VolumeId &id) const {
    std::vector<PastOutcome> outcomes;
    for (const auto *verb : kVerbs)
        if (auto outcome = read(id, verb)) outcomes.push_back(std::move(*outcome));
    std::sort(outcomes.begin(), outcomes.end(),
              [](const auto &a, const auto &b) { return a.when < b.when; });
    return outcomes;
}

base::Status OutcomeWatch::start(const model::SystemPaths &paths) {
    VC_TRY(base::makeDirectories(paths.outcomeDir()));
    inotify_.reset(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    if (!inotify_.valid() ||
        ::inotify_add_watch(inotify_.get(), paths.outcomeDir().c_str(), IN_MOVED_TO) < 0)
        return base::fail(base::errnoError("watch " + paths.outcomeDir(), errno));
    source_ = loop_.watch(inotify_.get(), EPOLLIN, [this](std::uint32_t) { receive(); });
    return {};
}

void OutcomeWatch::receive() {
    alignas(inotify_event) std::array<char, 16384> buffer{};
    const auto got = ::read(inotify_.get(), buffer.data(), buffer.size());
    std::size_t at = 0;
    while (got > 0 && at + sizeof(inotify_event) <= static_cast<std::size_t>(got)) {
        inotify_event event{};
        std::memcpy(&event, buffer.data() + at, sizeof event);
        const char *text = buffer.data() + at + sizeof event;
        const std::string name(text, ::strnlen(text, event.len));
        at += sizeof event + event.len;
        // ID.VERB.json; an ID has no dot.
        const auto dot = name.find('.');
        if (dot == std::string::npos || !name.ends_with(kSuffix)) continue;
        if (name.size() <= dot + 1 + kSuffix.size()) continue;
        handler_(name.substr(0, dot), name.substr(dot + 1, name.size() - dot - 1 - kSuffix.size()));
    }
}

}  // namespace volumecrypt::daemon
