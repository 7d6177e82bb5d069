// SPDX-License-Identifier: Apache-2.0
// posix_spawn with pipes for the input and the output, both watched against one clock.
#include <cerrno>
#include <chrono>
#include <csignal>
#include <thread>
#include <utility>

#include <sys/wait.h>

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <unistd.h>

#include "base/child_process.h"
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
        if (pid_ > 0) (void)finish(Clock::now());
    }

    Status start(const SecretBuffer &input);
    Result<SecretBuffer> read();
    // Its exit code; killed when it has not ended by then.
    Result<int> finish(Clock::time_point deadline);
    [[nodiscard]] Clock::time_point deadline() const { return deadline_; }

  private:
    const SecretChild &child_;
    Clock::time_point deadline_ = Clock::now() + std::chrono::milliseconds(child_.timeoutMs);
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
    SecretBuffer buffer(child_.limit + 1);
    std::size_t filled = 0;
    while (filled <= child_.limit) {
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(deadline_ - Clock::now()).count();
        pollfd waiting{.fd = output_.get(), .events = POLLIN, .revents = 0};
        const int ready = ::poll(&waiting, 1, left > 0 ? static_cast<int>(left) : 0);
        if (ready < 0 && errno == EINTR) continue;
        if (ready < 0) return fail(errnoError("wait for " + child_.argv[0], errno));
        if (ready == 0) {
            return fail(Error(ErrorCode::Io, child_.argv[0] + " did not end within " +
                                                 std::to_string(child_.timeoutMs / 1000) +
                                                 " s and was killed")
                            .withRetry());
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

// A program that was taken over may close its output and stay, and may have become a user whom we
// have no right to kill: neither keeps us.
Result<int> Running::finish(Clock::time_point deadline) {
    constexpr auto kStep = std::chrono::milliseconds(1);
    const pid_t pid = std::exchange(pid_, -1);
    int status = 0;
    pid_t ended = 0;
    while ((ended = ::waitpid(pid, &status, WNOHANG)) == 0 && Clock::now() < deadline)
        std::this_thread::sleep_for(kStep);
    if (ended == 0 && ::kill(pid, SIGKILL) < 0)
        return fail(errnoError("end " + child_.argv[0], errno));
    while (ended == 0 || (ended < 0 && errno == EINTR)) ended = ::waitpid(pid, &status, 0);
    if (ended < 0) return fail(errnoError("wait for " + child_.argv[0], errno));
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

Result<SecretOutcome> runWithSecret(const SecretChild &child, const SecretBuffer &input) {
    Running running(child);
    VC_TRY(running.start(input));
    VC_ASSIGN(SecretBuffer output, running.read());
    VC_ASSIGN(const int exitCode, running.finish(running.deadline()));
    return SecretOutcome{.exitCode = exitCode, .output = std::move(output)};
}

}  // namespace volumecrypt::base
