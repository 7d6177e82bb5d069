// SPDX-License-Identifier: Apache-2.0
// posix_spawn with pipes for the input and the output, both watched against one clock.
#include "base/secret_child.h"

#include <cerrno>
#include <chrono>
#include <csignal>
#include <utility>

#include <sys/wait.h>

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <unistd.h>

#include "base/scope_exit.h"
#include "base/unique_fd.h"

namespace volumecrypt::base {
namespace {

using Clock = std::chrono::steady_clock;

std::vector<char *> pointersTo(std::vector<std::string> &texts) {
    std::vector<char *> pointers;
    pointers.reserve(texts.size() + 1);
    for (auto &text : texts) pointers.push_back(text.data());
    pointers.push_back(nullptr);
    return pointers;
}

// A started program and our ends of its pipes.
class Running {
  public:
    explicit Running(const SecretChild &child) : child_(child) {}
    Running(const Running &) = delete;
    Running &operator=(const Running &) = delete;
    Running(Running &&) = delete;
    Running &operator=(Running &&) = delete;
    ~Running() {
        if (pid_ > 0) (void)finish(true);
    }

    Status start(const SecretBuffer &input);
    Result<SecretBuffer> read();
    // Its exit code; killed first with `kill`.
    Result<int> finish(bool kill);

  private:
    const SecretChild &child_;
    pid_t pid_ = -1;
    UniqueFd output_;
};

Status Running::start(const SecretBuffer &input) {
    // A memfd: nothing has to be written while the program runs, and none waits for the other.
    VC_ASSIGN(const UniqueFd in, secretToMemfd(input));
    int ends[2] = {-1, -1};
    if (::pipe2(ends, O_CLOEXEC) < 0) return fail(errnoError("create a pipe", errno));
    output_.reset(ends[0]);
    const UniqueFd writeEnd(ends[1]);

    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ScopeExit destroyActions([&] { ::posix_spawn_file_actions_destroy(&actions); });
    ::posix_spawn_file_actions_adddup2(&actions, in.get(), STDIN_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions, writeEnd.get(), STDOUT_FILENO);

    std::vector<std::string> arguments = child_.argv;
    std::vector<std::string> environment = child_.environment;
    const int code = ::posix_spawn(&pid_, child_.argv[0].c_str(), &actions, nullptr,
                                   pointersTo(arguments).data(), pointersTo(environment).data());
    if (code == 0) return {};
    pid_ = -1;
    return fail(errnoError("start " + child_.argv[0], code));
}

Result<SecretBuffer> Running::read() {
    const auto deadline = Clock::now() + std::chrono::milliseconds(child_.timeoutMs);
    SecretBuffer buffer(child_.limit + 1);
    std::size_t filled = 0;
    while (filled <= child_.limit) {
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
        pollfd waiting{.fd = output_.get(), .events = POLLIN, .revents = 0};
        const int ready = ::poll(&waiting, 1, left > 0 ? static_cast<int>(left) : 0);
        if (ready < 0 && errno == EINTR) continue;
        if (ready < 0) return fail(errnoError("wait for " + child_.argv[0], errno));
        if (ready == 0) {
            Error error;
            error.code = ErrorCode::Io;
            error.message = child_.argv[0] + " did not end within " +
                            std::to_string(child_.timeoutMs / 1000) + " s and was killed";
            return fail(std::move(error).withRetry());
        }
        const ssize_t got = ::read(output_.get(), buffer.chars() + filled, buffer.size() - filled);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return fail(errnoError("read the output of " + child_.argv[0], errno));
        if (got == 0) {
            buffer.truncate(filled);
            return buffer;
        }
        filled += static_cast<std::size_t>(got);
    }
    return fail(ErrorCode::Io,
                child_.argv[0] + " wrote more than " + std::to_string(child_.limit) + " bytes");
}

Result<int> Running::finish(bool kill) {
    const pid_t pid = std::exchange(pid_, -1);
    if (kill) (void)::kill(pid, SIGKILL);
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0)
        if (errno != EINTR) return fail(errnoError("wait for " + child_.argv[0], errno));
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

Result<SecretOutcome> runWithSecret(const SecretChild &child, const SecretBuffer &input) {
    Running running(child);
    VC_TRY(running.start(input));
    VC_ASSIGN(SecretBuffer output, running.read());
    VC_ASSIGN(const int exitCode, running.finish(false));
    return SecretOutcome{.exitCode = exitCode, .output = std::move(output)};
}

}  // namespace volumecrypt::base
