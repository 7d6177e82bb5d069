// SPDX-License-Identifier: Apache-2.0
// How often one user may call, so that the answers to others do not wait behind theirs.
#pragma once

#include <chrono>
#include <cstddef>
#include <map>

#include <sys/types.h>

namespace volumecrypt::daemon {

// A bucket of tokens for each user, which fills up again with time.
class CallShare {
  public:
    using Clock = std::chrono::steady_clock;

    CallShare(double burst, double perSecond) : burst_(burst), perSecond_(perSecond) {}

    // False when the user's share is used up; then nothing is taken from it.
    bool take(uid_t user, double cost, Clock::time_point now);
    // What was let in before it was known whose it was.
    void charge(uid_t user, double cost, Clock::time_point now);
    [[nodiscard]] std::size_t users() const { return buckets_.size(); }

  private:
    struct Bucket {
        double tokens;
        Clock::time_point at;
    };
    Bucket &filled(uid_t user, Clock::time_point now);
    void forgetIdle(Clock::time_point now);

    double burst_;
    double perSecond_;
    std::map<uid_t, Bucket> buckets_;
};

}  // namespace volumecrypt::daemon
