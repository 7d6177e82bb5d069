// SPDX-License-Identifier: Apache-2.0
// posix_spawn with a pipe for the output.
#include "base/child_process.h"

#include <algorithm>
#include <cerrno>
#include <string_view>

#include <sys/wait.h>

#include <fcntl.h>
#include <spawn.h>
#include <unistd.h>

#include "base/scope_exit.h"
#include "base/unique_fd.h"

namespace volumecrypt::base {
namespace {

constexpr std::size_t kOutputLimit = std::size_t{64} << 10;
constexpr std::string_view kSearchPath =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

// In the fixed path, not in the caller's: mkfs lives in sbin, which a caller's may lack.
std::string locate(const std::string &name) {
    if (name.find('/') != std::string::npos) return name;
    for (std::size_t start = 0; start < kSearchPath.size();) {
        const std::size_t end = std::min(kSearchPath.find(':', start), kSearchPath.size());
        std::string path = std::string(kSearchPath.substr(start, end - start)) + "/" + name;
        if (::access(path.c_str(), X_OK) == 0) return path;
        start = end + 1;
    }
    return {};  // which is ENOENT; a bare name would be one in the working directory
}

Result<std::string> drain(int fd) {
    std::string output;
    char chunk[4096];
    while (true) {
        const ssize_t got = ::read(fd, chunk, sizeof chunk);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return fail(errnoError("read a program's output", errno));
        if (got == 0) return output;
        // Keep reading past the limit: a full pipe would stop the program.
        if (output.size() < kOutputLimit) output.append(chunk, static_cast<std::size_t>(got));
    }
}

Result<int> waitFor(pid_t pid) {
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0)
        if (errno != EINTR) return fail(errnoError("wait for a program", errno));
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

bool hasProgram(const std::string &name) {
    return !locate(name).empty();
}

Result<ChildOutcome> runProgram(const std::vector<std::string> &argv, int input) {
    int ends[2] = {-1, -1};
    if (::pipe2(ends, O_CLOEXEC) < 0) return fail(errnoError("create a pipe", errno));
    const UniqueFd readEnd(ends[0]);
    UniqueFd writeEnd(ends[1]);

    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ScopeExit destroyActions([&] { ::posix_spawn_file_actions_destroy(&actions); });
    if (input < 0)
        ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    else
        ::posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions, writeEnd.get(), STDOUT_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions, writeEnd.get(), STDERR_FILENO);

    std::vector<std::string> arguments = argv;
    std::vector<char *> pointers;
    pointers.reserve(arguments.size() + 1);
    for (auto &argument : arguments) pointers.push_back(argument.data());
    pointers.push_back(nullptr);
    std::string path = "PATH=" + std::string(kSearchPath);
    std::string locale = "LC_ALL=C";
    char *environment[] = {path.data(), locale.data(), nullptr};

    pid_t pid = -1;
    const int code = ::posix_spawn(&pid, locate(argv[0]).c_str(), &actions, nullptr,
                                   pointers.data(), environment);
    if (code != 0) return fail(errnoError("start " + argv[0], code));
    writeEnd.reset();
    auto output = drain(readEnd.get());
    VC_ASSIGN(const int exitCode, waitFor(pid));
    if (!output) return fail(std::move(output).error());
    return ChildOutcome{.exitCode = exitCode, .output = std::move(*output)};
}

}  // namespace volumecrypt::base
