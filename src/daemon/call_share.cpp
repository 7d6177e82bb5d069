// SPDX-License-Identifier: Apache-2.0
// Token buckets for the calls of each user.
#include "daemon/call_share.h"

#include <algorithm>

namespace volumecrypt::daemon {
namespace {

constexpr std::size_t kRemembered = 256;

}  // namespace

bool CallShare::take(uid_t user, double cost, Clock::time_point now) {
    auto &bucket = filled(user, now);
    if (bucket.tokens < cost) return false;
    bucket.tokens -= cost;
    return true;
}

void CallShare::charge(uid_t user, double cost, Clock::time_point now) {
    auto &bucket = filled(user, now);
    bucket.tokens = std::max(bucket.tokens - cost, -burst_);
}

CallShare::Bucket &CallShare::filled(uid_t user, Clock::time_point now) {
    if (buckets_.size() >= kRemembered && !buckets_.contains(user)) forgetIdle(now);
    auto &bucket = buckets_.try_emplace(user, Bucket{.tokens = burst_, .at = now}).first->second;
    const std::chrono::duration<double> passed = now - bucket.at;
    bucket.tokens = std::min(burst_, bucket.tokens + passed.count() * perSecond_);
    bucket.at = now;
    return bucket;
}

void CallShare::forgetIdle(Clock::time_point now) {
    // A full bucket is like none.
    std::erase_if(buckets_, [&](const auto &entry) {
        const std::chrono::duration<double> passed = now - entry.second.at;
        return entry.second.tokens + passed.count() * perSecond_ >= burst_;
    });
}

}  // namespace volumecrypt::daemon
