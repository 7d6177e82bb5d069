// SPDX-License-Identifier: Apache-2.0
// The daemon's one thread: file descriptors, timers, signals and children on sd-event.
#pragma once

#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <string>

#include <sys/types.h>

#include <systemd/sd-event.h>

#include "base/journal.h"
#include "base/scope_exit.h"

namespace volumecrypt::daemon {

// Callbacks may throw: what they throw is logged and goes no further.
class EventLoop {
  public:
    // Stops calling back when it is destroyed. A source may be destroyed by its own callback.
    class [[nodiscard]] Source {
      public:
        Source() = default;
        [[nodiscard]] bool active() const { return state_ != nullptr; }
        void reset() { state_.reset(); }
        // Of a watch: what to wait for from now on.
        void setEvents(std::uint32_t epollEvents);

      private:
        friend class EventLoop;
        struct State;
        std::shared_ptr<State> state_;
    };

    EventLoop();
    ~EventLoop();
    EventLoop(const EventLoop &) = delete;
    EventLoop &operator=(const EventLoop &) = delete;
    EventLoop(EventLoop &&) = delete;
    EventLoop &operator=(EventLoop &&) = delete;

    // `prepare`, when given, is called before every wait of the loop.
    Source watch(int fd, std::uint32_t epollEvents, std::function<void(std::uint32_t)> callback,
                 std::function<void()> prepare = {});
    Source after(std::chrono::microseconds delay, std::function<void()> callback);
    Source every(std::chrono::microseconds interval, std::function<void()> callback);
    // Once, when `pid`, a child of this process, has ended; `status` is "exit status N" or "signal
    // N".
    Source onChild(pid_t pid, std::function<void(const std::string &status)> callback);
    // Once, in the next turn of the loop.
    void post(std::function<void()> callback);
    // SIGTERM and SIGINT end the loop; SIGCHLD is kept for onChild.
    void stopOnSignals();

    // Returns the value given to quit.
    int run();
    void quit(int status);

  private:
    base::CHandle<sd_event, sd_event_unref> event_;
};

// Fires its callback once, `delay` after the last of a burst of calls, but not later than `limit`
// after the first.
class Debounce {
  public:
    Debounce(EventLoop &loop, std::chrono::milliseconds delay, std::chrono::milliseconds limit,
             std::function<void()> callback);
    void trigger();

  private:
    EventLoop &loop_;
    std::chrono::milliseconds delay_;
    std::chrono::milliseconds limit_;
    std::function<void()> callback_;
    std::chrono::steady_clock::time_point first_;
    EventLoop::Source timer_;
};

// The last stop for exceptions of callbacks that nobody waits for: the libraries which call them
// are in C, or end the process.
template <typename Function>
void guarded(Function &&function) noexcept {
    try {
        function();
    } catch (const std::exception &exception) {
        base::log(base::Severity::Error, std::string("A callback failed: ") + exception.what());
    } catch (...) {
        base::log(base::Severity::Error, "A callback failed");
    }
}

}  // namespace volumecrypt::daemon
