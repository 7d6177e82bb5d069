// SPDX-License-Identifier: Apache-2.0
// Reads secrets in a thread for each, which tells the loop by an eventfd.
#include "daemon/secret_reader.h"

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <unistd.h>

namespace volumecrypt::daemon {
namespace {

constexpr std::size_t kPerUser = 2;
constexpr std::size_t kInAll = 6;
// As long as an engine waits for one.
constexpr int kTimeoutMs = 10'000;
// For what does not heed that: reading from some file systems cannot be timed.
constexpr std::chrono::milliseconds kDeadline{kTimeoutMs + 1000};

base::Error notArrived() {
    return {base::ErrorCode::InvalidConfig, "no secret arrived within the time allowed",
            "Pass a pipe or a memfd that holds the secret."};
}

}  // namespace

// What the thread may touch; both sides own it.
struct SecretReader::Task {
    base::UniqueFd fd;
    std::size_t limit = 0;
    std::shared_ptr<base::UniqueFd> wake;
    std::atomic<bool> over = false;
    std::optional<base::Result<base::SecretBuffer>> secret;  // once it is over

    void run() {
        secret.emplace(base::readSecret(fd.get(), limit, kTimeoutMs));
        fd.reset();
        over = true;
        const std::uint64_t one = 1;
        (void)!::write(wake->get(), &one, sizeof one);
    }
};

SecretReader::SecretReader(EventLoop &loop)
    : loop_(loop),
      limits_(kPerUser, kInAll),
      wake_(std::make_shared<base::UniqueFd>(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK))) {
    if (!wake_->valid()) throw std::system_error(errno, std::generic_category(), "eventfd");
    source_ = loop_.watch(wake_->get(), EPOLLIN, [this](std::uint32_t) { ended(); });
}

SecretReader::~SecretReader() = default;

void SecretReader::read(uid_t user, base::UniqueFd fd, std::size_t limit, Read read) {
    auto ticket = limits_.admit(std::to_string(user), user == 0);
    auto task = std::make_shared<Task>();
    task->fd = std::move(fd);
    task->limit = limit;
    task->wake = wake_;
    try {
        if (ticket) std::thread([task] { task->run(); }).detach();
    } catch (const std::system_error &) {
        ticket.reset();
    }
    if (!ticket) {
        base::Error error(base::ErrorCode::Busy, "too many secrets are being read",
                          "Wait for the answers to earlier calls.");
        return fail(std::move(read), std::move(error).withRetry());
    }
    auto &reading = readings_.emplace_back(
        Reading{std::move(task), std::move(ticket), std::move(read), EventLoop::Source()});
    // Its place stays taken until the thread is over.
    reading.deadline = loop_.after(kDeadline, [&reading] {
        if (const auto late = std::exchange(reading.read, nullptr)) late(base::fail(notArrived()));
    });
}

void SecretReader::fail(Read read, base::Error error) {
    loop_.post([read = std::move(read), error = std::move(error)]() mutable {
        read(base::fail(std::move(error)));
    });
}

void SecretReader::ended() {
    std::uint64_t count = 0;
    (void)!::read(wake_->get(), &count, sizeof count);
    std::list<Reading> over;
    for (auto at = readings_.begin(); at != readings_.end();) {
        const auto next = std::next(at);
        if (at->task->over) over.splice(over.end(), readings_, at);
        at = next;
    }
    for (auto &reading : over)
        if (const auto read = std::exchange(reading.read, nullptr))
            read(std::move(*reading.task->secret));
}

}  // namespace volumecrypt::daemon
