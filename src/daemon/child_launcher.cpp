// SPDX-License-Identifier: Apache-2.0
// posix_spawn, SIGCHLD for own children, pidfds for adopted ones.
#include "daemon/child_launcher.h"

#include <cerrno>
#include <charconv>
#include <csignal>
#include <optional>
#include <sstream>
#include <utility>

#include <sys/epoll.h>
#include <sys/syscall.h>

#include <fcntl.h>
#include <spawn.h>
#include <unistd.h>

#include "base/files.h"
#include "base/scope_exit.h"

namespace volumecrypt::daemon {
namespace {

constexpr std::chrono::seconds kKillAfter{90};

// Field 22 of /proc/PID/stat; the name in field 2 may hold blanks and brackets.
std::optional<std::string> startTime(pid_t pid) {
    const auto stat = base::readFile("/proc/" + std::to_string(pid) + "/stat");
    if (!stat) return std::nullopt;
    const auto afterName = stat->rfind(')');
    if (afterName == std::string::npos) return std::nullopt;
    std::istringstream fields(stat->substr(afterName + 1));
    std::string field;
    for (int number = 3; number <= 22; ++number)
        if (!(fields >> field)) return std::nullopt;
    return field;
}

// The process of a handle, unless it is gone or its number belongs to another one by now.
std::optional<pid_t> processOf(const EngineHandle &handle) {
    pid_t pid = 0;
    const auto *end = handle.data() + handle.size();
    const auto [rest, error] = std::from_chars(handle.data(), end, pid);
    if (error != std::errc() || rest == end || *rest != ' ' || pid <= 1) return std::nullopt;
    const auto started = startTime(pid);
    if (!started || *started != std::string(rest + 1, end)) return std::nullopt;
    return pid;
}

}  // namespace

base::Result<pid_t> ChildLauncher::spawn(const EngineProcess &process) {
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    base::ScopeExit destroyActions([&] { ::posix_spawn_file_actions_destroy(&actions); });
    if (process.input.valid())
        ::posix_spawn_file_actions_adddup2(&actions, process.input.get(), STDIN_FILENO);
    else
        ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_adddup2(&actions, process.output.get(), STDOUT_FILENO);

    posix_spawnattr_t attributes;
    ::posix_spawnattr_init(&attributes);
    base::ScopeExit destroyAttributes([&] { ::posix_spawnattr_destroy(&attributes); });
    sigset_t none;
    sigset_t all;
    ::sigemptyset(&none);
    ::sigfillset(&all);
    ::posix_spawnattr_setsigmask(&attributes, &none);
    ::posix_spawnattr_setsigdefault(&attributes, &all);
    ::posix_spawnattr_setflags(&attributes,
                               POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);

    std::vector<std::string> arguments = process.argv;
    std::vector<char *> pointers;
    pointers.reserve(arguments.size() + 1);
    for (auto &argument : arguments) pointers.push_back(argument.data());
    pointers.push_back(nullptr);
    pid_t pid = -1;
    const int code = ::posix_spawn(&pid, arguments.at(0).c_str(), &actions, &attributes,
                                   pointers.data(), environ);
    if (code != 0) return base::fail(base::errnoError("start " + arguments[0], code));
    return pid;
}

void ChildLauncher::start(EngineProcess process, Started started, Ended ended) {
    auto pid = spawn(process);
    if (!pid) return started(base::fail(std::move(pid).error()));
    // It cannot be gone: it stays a zombie until it is waited for.
    const EngineHandle handle = std::to_string(*pid) + " " + startTime(*pid).value_or("0");
    auto onEnd = [this, handle, ended = std::move(ended)](const std::string &how) {
        finished(handle, ended, how);
    };
    children_[handle].end = loop_.onChild(*pid, std::move(onEnd));
    started(handle);
}

void ChildLauncher::adopt(const EngineHandle &handle, Ended ended) {
    const auto pid = processOf(handle);
    base::UniqueFd pidFd;
    if (pid) pidFd.reset(static_cast<int>(::syscall(SYS_pidfd_open, *pid, 0U)));
    // Asked again now that the descriptor holds the process.
    if (!pidFd.valid() || !processOf(handle))
        return loop_.post([ended = std::move(ended)] { ended("it ended before"); });
    auto &child = children_[handle];
    child.pidFd = std::move(pidFd);
    child.end = loop_.watch(child.pidFd.get(), EPOLLIN,
                            [this, handle, ended = std::move(ended)](std::uint32_t) {
                                finished(handle, ended, "it ended");
                            });
}

void ChildLauncher::finished(const EngineHandle &handle, const Ended &ended,
                             const std::string &how) {
    const Ended keep = ended;  // it belongs to the source that goes with the child
    children_.erase(handle);
    keep(how);
}

void ChildLauncher::stop(const EngineHandle &handle) {
    const auto child = children_.find(handle);
    const auto pid = processOf(handle);
    if (child == children_.end() || !pid) return;
    (void)::kill(*pid, SIGTERM);
    child->second.deadline = loop_.after(kKillAfter, [handle] {
        if (const auto still = processOf(handle)) (void)::kill(*still, SIGKILL);
    });
}

}  // namespace volumecrypt::daemon
