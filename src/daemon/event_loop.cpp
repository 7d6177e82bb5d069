// SPDX-License-Identifier: Apache-2.0
// sd-event behind std::function, with exceptions kept out of C.
#include "daemon/event_loop.h"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <string>
#include <utility>

#include <sys/wait.h>

#include <systemd/sd-event.h>

#include "base/journal.h"

namespace volumecrypt::daemon {
namespace {

// The loop cannot run without its sources; only lack of memory or descriptors gets here.
void require(int code, const char *what) {
    if (code >= 0) return;
    base::log(base::Severity::Error,
              std::string("Cannot ") + what + ": error " + std::to_string(-code));
    std::abort();
}

using SourceHandle = base::CHandle<sd_event_source, sd_event_source_disable_unref>;

}  // namespace

struct EventLoop::Source::State : std::enable_shared_from_this<State> {
    SourceHandle handle;
    std::function<void(std::uint32_t)> onIo;
    std::function<void()> onTime;
    std::function<void()> onPrepare;
    std::function<void(const std::string &)> onEnd;
    std::chrono::microseconds interval{0};

    static int io(sd_event_source *, int, std::uint32_t events, void *data) {
        const auto self = static_cast<State *>(data)->shared_from_this();
        guarded([&] { self->onIo(events); });
        return 0;
    }
    static int time(sd_event_source *source, std::uint64_t, void *data) {
        const auto self = static_cast<State *>(data)->shared_from_this();
        if (self->interval.count() > 0) {
            (void)sd_event_source_set_time_relative(
                source, static_cast<std::uint64_t>(self->interval.count()));
            (void)sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
        }
        guarded(self->onTime);
        return 0;
    }
    static int child(sd_event_source *, const siginfo_t *info, void *data) {
        const auto self = static_cast<State *>(data)->shared_from_this();
        const auto status = (info->si_code == CLD_EXITED ? "exit status " : "signal ") +
                            std::to_string(info->si_status);
        guarded([&] { self->onEnd(status); });
        return 0;
    }
    static int prepare(sd_event_source *, void *data) {
        const auto self = static_cast<State *>(data)->shared_from_this();
        guarded(self->onPrepare);
        return 0;
    }
};

void EventLoop::Source::setEvents(std::uint32_t epollEvents) {
    require(sd_event_source_set_io_events(state_->handle.get(), epollEvents),
            "watch a file descriptor");
}

EventLoop::EventLoop() {
    sd_event *event = nullptr;
    require(sd_event_new(&event), "create the event loop");
    event_.reset(event);
}

EventLoop::~EventLoop() = default;

EventLoop::Source EventLoop::watch(int fd, std::uint32_t epollEvents,
                                   std::function<void(std::uint32_t)> callback,
                                   std::function<void()> prepare) {
    Source source;
    source.state_ = std::make_shared<Source::State>();
    source.state_->onIo = std::move(callback);
    source.state_->onPrepare = std::move(prepare);
    sd_event_source *raw = nullptr;
    require(sd_event_add_io(event_.get(), &raw, fd, epollEvents, &Source::State::io,
                            source.state_.get()),
            "watch a file descriptor");
    source.state_->handle.reset(raw);
    if (source.state_->onPrepare)
        require(sd_event_source_set_prepare(raw, &Source::State::prepare),
                "watch a file descriptor");
    return source;
}

EventLoop::Source EventLoop::after(std::chrono::microseconds delay,
                                   std::function<void()> callback) {
    Source source;
    source.state_ = std::make_shared<Source::State>();
    source.state_->onTime = std::move(callback);
    sd_event_source *raw = nullptr;
    const auto microseconds = static_cast<std::uint64_t>(delay.count());
    // 0 would be a quarter of a second, also for what is to happen at once.
    const auto accuracy = std::max<std::uint64_t>(microseconds / 10, 1);
    require(sd_event_add_time_relative(event_.get(), &raw, CLOCK_MONOTONIC, microseconds, accuracy,
                                       &Source::State::time, source.state_.get()),
            "set a timer");
    source.state_->handle.reset(raw);
    return source;
}

EventLoop::Source EventLoop::every(std::chrono::microseconds interval,
                                   std::function<void()> callback) {
    auto source = after(interval, std::move(callback));
    source.state_->interval = interval;
    return source;
}

EventLoop::Source EventLoop::onChild(pid_t pid, std::function<void(const std::string &)> callback) {
    Source source;
    source.state_ = std::make_shared<Source::State>();
    source.state_->onEnd = std::move(callback);
    sd_event_source *raw = nullptr;
    require(sd_event_add_child(event_.get(), &raw, pid, WEXITED, &Source::State::child,
                               source.state_.get()),
            "watch a child process");
    source.state_->handle.reset(raw);
    return source;
}

void EventLoop::post(std::function<void()> callback) {
    // The source keeps itself alive until it has fired.
    auto holder = std::make_shared<Source>();
    *holder = after(std::chrono::microseconds(0), [holder, callback = std::move(callback)] {
        const auto keep = std::move(*holder);
        callback();
    });
}

void EventLoop::stopOnSignals() {
    sigset_t set;
    ::sigemptyset(&set);
    for (const int number : {SIGTERM, SIGINT, SIGCHLD}) ::sigaddset(&set, number);
    require(-::pthread_sigmask(SIG_BLOCK, &set, nullptr), "block signals");
    for (const int number : {SIGTERM, SIGINT})
        require(sd_event_add_signal(event_.get(), nullptr, number, nullptr, nullptr),
                "handle a signal");
}

int EventLoop::run() {
    return sd_event_loop(event_.get());
}

void EventLoop::quit(int status) {
    (void)sd_event_exit(event_.get(), status);
}

Debounce::Debounce(EventLoop &loop, std::chrono::milliseconds delay,
                   std::chrono::milliseconds limit, std::function<void()> callback)
    : loop_(loop), delay_(delay), limit_(limit), callback_(std::move(callback)) {}

void Debounce::trigger() {
    const auto now = std::chrono::steady_clock::now();
    if (!timer_.active()) first_ = now;
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(first_ + limit_ - now);
    timer_ = loop_.after(std::max(std::chrono::milliseconds(0), std::min(delay_, left)), [this] {
        timer_.reset();
        callback_();
    });
}

}  // namespace volumecrypt::daemon
