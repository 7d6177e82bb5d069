// SPDX-License-Identifier: Apache-2.0
// posix_spawn with stdin and stdout in memfds: nothing can block.
#include "support/command.h"

#include <cstdio>
#include <cstdlib>

#include <sys/mman.h>
#include <sys/wait.h>

#include <spawn.h>
#include <unistd.h>

#include "base/unique_fd.h"

namespace volumecrypt::test {
namespace {

[[noreturn]] void giveUp(const char *what) {
    std::perror(what);
    std::abort();
}

base::UniqueFd memory() {
    base::UniqueFd fd(::memfd_create("test-command", MFD_CLOEXEC));
    if (!fd.valid()) giveUp("memfd_create");
    return fd;
}

std::string contentOf(int fd) {
    std::string content;
    char chunk[4096];
    ::lseek(fd, 0, SEEK_SET);
    for (ssize_t got = 0; (got = ::read(fd, chunk, sizeof chunk)) > 0;)
        content.append(chunk, static_cast<std::size_t>(got));
    return content;
}

}  // namespace

CommandOutcome runCommand(const std::vector<std::string> &argv, const std::string &input) {
    const base::UniqueFd in = memory();
    const base::UniqueFd out = memory();
    if (::write(in.get(), input.data(), input.size()) != static_cast<ssize_t>(input.size()) ||
        ::lseek(in.get(), 0, SEEK_SET) != 0)
        giveUp("write");

    std::vector<char *> arguments;
    for (const std::string &argument : argv)
        arguments.push_back(const_cast<char *>(argument.c_str()));
    arguments.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, in.get(), STDIN_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions, out.get(), STDOUT_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions, out.get(), STDERR_FILENO);
    pid_t pid = -1;
    if (::posix_spawnp(&pid, arguments[0], &actions, nullptr, arguments.data(), environ) != 0)
        giveUp(arguments[0]);
    ::posix_spawn_file_actions_destroy(&actions);
    int status = 0;
    if (::waitpid(pid, &status, 0) != pid) giveUp("waitpid");
    return {.exitCode = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
            .output = contentOf(out.get())};
}

}  // namespace volumecrypt::test
