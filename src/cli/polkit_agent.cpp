// SPDX-License-Identifier: Apache-2.0
// pkttyagent as a child: without other arguments it serves its parent.
#include "cli/polkit_agent.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <string>

#include <sys/prctl.h>
#include <sys/wait.h>

#include <fcntl.h>
#include <poll.h>
#include <systemd/sd-login.h>
#include <unistd.h>

#include "base/unique_fd.h"
#include "build_config.h"

namespace volumecrypt::cli {
namespace {

constexpr const char *kAgent = VOLUMECRYPT_PKTTYAGENT;
// It closes the descriptor as soon as polkit knows it; a hung one is not waited for.
constexpr int kPatienceMs = 5000;

bool isWanted() {
    return ::geteuid() != 0 && ::isatty(STDIN_FILENO) == 1 && ::isatty(STDOUT_FILENO) == 1 &&
           ::access(kAgent, X_OK) == 0;
}

// With --fallback the agent of the session comes first. Where there is no session polkit would not
// find a fallback at all.
bool hasSession() {
    return ::sd_pid_get_session(0, nullptr) >= 0;
}

// Between fork and exec: nothing that allocates.
[[noreturn]] void becomeAgent(pid_t parent, int notify, const char *number, const char *fallback) {
    // It must not outlive us and keep reading the terminal.
    if (::prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || ::getppid() != parent) ::_exit(126);
    if (::fcntl(notify, F_SETFD, 0) < 0) ::_exit(126);
    ::execl(kAgent, kAgent, "--notify-fd", number, fallback, nullptr);
    ::_exit(127);
}

void waitForClose(int fd) {
    pollfd closed{.fd = fd, .events = 0, .revents = 0};
    while (::poll(&closed, 1, kPatienceMs) < 0 && errno == EINTR) {
    }
}

}  // namespace

PolkitAgent::PolkitAgent() {
    if (!isWanted()) return;
    std::array<int, 2> ends{-1, -1};
    if (::pipe2(ends.data(), O_CLOEXEC) < 0) return;
    const base::UniqueFd readEnd(ends[0]);
    base::UniqueFd writeEnd(ends[1]);
    const std::string number = std::to_string(writeEnd.get());
    const char *fallback = hasSession() ? "--fallback" : nullptr;
    const pid_t parent = ::getpid();
    pid_ = ::fork();
    if (pid_ == 0) becomeAgent(parent, writeEnd.get(), number.c_str(), fallback);
    writeEnd.reset();
    if (pid_ > 0) waitForClose(readEnd.get());
}

PolkitAgent::~PolkitAgent() {
    if (pid_ <= 0) return;
    (void)::kill(pid_, SIGTERM);
    (void)::kill(pid_, SIGCONT);
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
}

}  // namespace volumecrypt::cli
