// SPDX-License-Identifier: Apache-2.0
// Reads secrets that callers pass, without the event loop having to wait for them.
#pragma once

#include <cstddef>
#include <functional>
#include <list>
#include <memory>

#include <sys/types.h>

#include "base/result.h"
#include "base/secret_buffer.h"
#include "base/unique_fd.h"
#include "daemon/call_limits.h"
#include "daemon/event_loop.h"

namespace volumecrypt::daemon {

// Each in a thread of its own, which does nothing else: a pipe that nobody writes to, and a file on
// a file system that does not answer, hold that thread and nobody else. They are few for a user and
// in all.
class SecretReader {
  public:
    using Read = std::function<void(base::Result<base::SecretBuffer>)>;

    explicit SecretReader(EventLoop &loop);
    ~SecretReader();
    SecretReader(const SecretReader &) = delete;
    SecretReader &operator=(const SecretReader &) = delete;
    SecretReader(SecretReader &&) = delete;
    SecretReader &operator=(SecretReader &&) = delete;

    // `read` is called later, once: with at most `limit` bytes, with base::readSecret's error, or
    // with Busy when there is no place.
    void read(uid_t user, base::UniqueFd fd, std::size_t limit, Read read);

  private:
    struct Task;
    struct Reading {
        std::shared_ptr<Task> task;
        CallLimits::Ticket ticket;
        Read read;
        EventLoop::Source deadline;
    };
    void fail(Read read, base::Error error);
    void ended();

    EventLoop &loop_;
    CallLimits limits_;
    std::shared_ptr<base::UniqueFd> wake_;
    EventLoop::Source source_;
    std::list<Reading> readings_;
};

}  // namespace volumecrypt::daemon
