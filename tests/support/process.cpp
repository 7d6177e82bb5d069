// SPDX-License-Identifier: Apache-2.0
// fork, exec and temporary files for the output: no pipe can fill up.
#include "support/process.h"

#include <cstdio>
#include <cstdlib>

#include <sys/mman.h>
#include <sys/wait.h>

#include <fcntl.h>
#include <unistd.h>

namespace volumecrypt::test {
namespace {

int memoryFile(const std::string &content) {
    const int fd = ::memfd_create("test", 0);
    if (fd < 0) std::abort();
    if (::write(fd, content.data(), content.size()) != static_cast<ssize_t>(content.size()))
        std::abort();
    ::lseek(fd, 0, SEEK_SET);
    return fd;
}

std::string contentOf(int fd) {
    std::string content(static_cast<std::size_t>(::lseek(fd, 0, SEEK_END)), '\0');
    ::lseek(fd, 0, SEEK_SET);
    if (::read(fd, content.data(), content.size()) != static_cast<ssize_t>(content.size()))
        std::abort();
    return content;
}

[[noreturn]] void child(const Process &process, int in, int out, int err, int secret) {
    ::dup2(in, 0);
    ::dup2(out, 1);
    ::dup2(err, 2);
    if (secret >= 0) ::dup2(secret, 3);
    std::vector<std::string> copy = process.argv;
    std::vector<char *> arguments;
    for (auto &argument : copy) arguments.push_back(argument.data());
    arguments.push_back(nullptr);
    for (const std::string &variable : process.environment) {
        const auto equals = variable.find('=');
        ::setenv(variable.substr(0, equals).c_str(), variable.substr(equals + 1).c_str(), 1);
    }
    ::execvp(arguments[0], arguments.data());
    ::_exit(127);
}

}  // namespace

ProcessResult Process::run() const {
    const int in = memoryFile(input);
    const int out = memoryFile("");
    const int err = memoryFile("");
    const int secretFd = secret ? memoryFile(*secret) : -1;
    const pid_t pid = ::fork();
    if (pid == 0) child(*this, in, out, err, secretFd);
    int status = 0;
    ::waitpid(pid, &status, 0);
    ProcessResult result;
    result.exitCode = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    result.out = contentOf(out);
    result.err = contentOf(err);
    for (const int fd : {in, out, err, secretFd})
        if (fd >= 0) ::close(fd);
    return result;
}

}  // namespace volumecrypt::test
