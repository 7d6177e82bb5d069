// SPDX-License-Identifier: Apache-2.0
// When the process's descriptors are said to be scarce.
#include <algorithm>
#include <vector>

#include <sys/resource.h>

#include <fcntl.h>
#include <gtest/gtest.h>

#include "base/scope_exit.h"
#include "base/unique_fd.h"
#include "daemon/call_limits.h"

namespace volumecrypt::daemon {
namespace {

TEST(Descriptors, AreScarceWhileTheLowerHalfIsFull) {
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    const base::ScopeExit restore([&] { ::setrlimit(RLIMIT_NOFILE, &before); });
    const rlimit few{.rlim_cur = 100, .rlim_max = before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
    EXPECT_FALSE(descriptorsAreScarce());
    std::vector<base::UniqueFd> files;
    while (files.empty() || files.back().get() < 50)
        files.emplace_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    EXPECT_TRUE(descriptorsAreScarce());
    files.pop_back();
    EXPECT_FALSE(descriptorsAreScarce());
    // All of them.
    while (files.back().valid()) files.emplace_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    EXPECT_TRUE(descriptorsAreScarce());
}

TEST(Descriptors, AreAsManyAsTheProcessMayHave) {
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    const base::ScopeExit restore([&] { ::setrlimit(RLIMIT_NOFILE, &before); });
    const rlimit few{.rlim_cur = 100, .rlim_max = before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
    raiseDescriptorLimit();
    rlimit now{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &now), 0);
    EXPECT_EQ(now.rlim_cur, std::min<rlim_t>(before.rlim_max, 65536));
    EXPECT_EQ(now.rlim_max, before.rlim_max);
}

}  // namespace
}  // namespace volumecrypt::daemon
