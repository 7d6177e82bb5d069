// SPDX-License-Identifier: Apache-2.0
// How often one user may call.
#include "daemon/call_share.h"

#include <gtest/gtest.h>

namespace volumecrypt::daemon {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const CallShare::Clock::time_point kBegin{std::chrono::hours(1)};

int taken(CallShare &share, uid_t user, CallShare::Clock::time_point now, double cost = 1) {
    int times = 0;
    while (times < 1000 && share.take(user, cost, now)) ++times;
    return times;
}

TEST(CallShare, IsABurstAndThenARate) {
    CallShare share(10, 5);
    EXPECT_EQ(taken(share, 1, kBegin), 10);
    EXPECT_EQ(taken(share, 1, kBegin + milliseconds(100)), 0);
    EXPECT_EQ(taken(share, 1, kBegin + seconds(1)), 5);
    EXPECT_EQ(taken(share, 1, kBegin + seconds(100)), 10);
}

TEST(CallShare, IsEachUsersOwn) {
    CallShare share(10, 5);
    EXPECT_EQ(taken(share, 1, kBegin), 10);
    EXPECT_EQ(taken(share, 2, kBegin), 10);
}

TEST(CallShare, CountsWhatACallCosts) {
    CallShare share(10, 5);
    EXPECT_EQ(taken(share, 1, kBegin, 4), 2);
    EXPECT_EQ(taken(share, 1, kBegin), 2);
}

TEST(CallShare, IsChargedAfterwardsButNotForEver) {
    CallShare share(10, 5);
    share.charge(1, 1'000'000, kBegin);
    EXPECT_FALSE(share.take(1, 1, kBegin + seconds(2)));
    EXPECT_EQ(taken(share, 1, kBegin + seconds(3)), 5);
}

TEST(CallShare, ForgetsUsersWhoDoNotCall) {
    CallShare share(10, 5);
    for (uid_t user = 0; user < 10'000; ++user) share.take(user, 1, kBegin + seconds(user));
    EXPECT_LE(share.users(), 256U);
}

}  // namespace
}  // namespace volumecrypt::daemon
