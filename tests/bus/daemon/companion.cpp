// SPDX-License-Identifier: Apache-2.0
// fork and exec.
#include "companion.h"

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <thread>
#include <utility>

#include <sys/prctl.h>
#include <sys/wait.h>

#include <fcntl.h>
#include <unistd.h>

namespace volumecrypt::test {

Companion::Companion(const std::vector<std::string> &argv, const std::string &log,
                     const std::function<void()> &prepare) {
    pid_ = ::fork();
    if (pid_ < 0) throw std::runtime_error("fork");
    if (pid_ > 0) return;
    // Not to outlive a test that crashed.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (out >= 0) {
        ::dup2(out, STDOUT_FILENO);
        ::dup2(out, STDERR_FILENO);
    }
    if (prepare) prepare();
    std::vector<std::string> copies = argv;
    std::vector<char *> pointers;
    for (auto &copy : copies) pointers.push_back(copy.data());
    pointers.push_back(nullptr);
    ::execv(pointers[0], pointers.data());
    ::_exit(127);
}

Companion::~Companion() {
    kill();
}

Companion::Companion(Companion &&other) noexcept : pid_(std::exchange(other.pid_, -1)) {}

Companion &Companion::operator=(Companion &&other) noexcept {
    if (this != &other) {
        kill();
        pid_ = std::exchange(other.pid_, -1);
    }
    return *this;
}

void Companion::signal(int number) const {
    if (pid_ > 0) ::kill(pid_, number);
}

int Companion::wait() {
    int status = 0;
    if (pid_ > 0) ::waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int Companion::stop() {
    signal(SIGTERM);
    return wait();
}

void Companion::kill() {
    if (pid_ <= 0) return;
    signal(SIGKILL);
    wait();
}

long Companion::statusOf(const char *field) const {
    std::ifstream status("/proc/" + std::to_string(pid_) + "/status");
    std::string word;
    while (status >> word)
        if (word == field) {
            long kilobytes = 0;
            status >> kilobytes;
            return kilobytes;
        }
    throw std::runtime_error("no such process");
}

bool eventually(const std::function<bool()> &condition, int seconds) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
    while (!condition()) {
        if (std::chrono::steady_clock::now() > end) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return true;
}

}  // namespace volumecrypt::test
