// SPDX-License-Identifier: Apache-2.0
// What an apply unmounts before it starts anything, by the names of mount units.
#include "daemon/apply_plan.h"

#include <gtest/gtest.h>

namespace volumecrypt::daemon {
namespace {

ApplyPlan::Stop stopOf(const char *id, std::set<std::string> units) {
    return {.volume = *model::VolumeId::parse(id), .consumers = std::move(units), .mapped = true};
}

TEST(ApplyPlanUnmounts, WhatIsAtOrBelowAStoppedMount) {
    ApplyPlan plan;
    EXPECT_FALSE(plan.unmounts("/var/mnt/data/inner"));
    plan.departed.push_back(stopOf("u-inner", {"var-mnt-data-inner.mount"}));
    EXPECT_TRUE(plan.unmounts("/var/mnt/data/inner"));
    EXPECT_TRUE(plan.unmounts("/var/mnt/data/inner/most"));
    EXPECT_FALSE(plan.unmounts("/var/mnt/data"));
    EXPECT_FALSE(plan.unmounts("/var/mnt/data/inner-most"));
}

TEST(ApplyPlanUnmounts, AlsoBelowAVolumeThatMoves) {
    ApplyPlan plan;
    plan.moved.push_back(stopOf("u-data", {"srv.mount"}));
    EXPECT_TRUE(plan.unmounts("/srv/inner"));
    plan.moved = {stopOf("u-swap", {"srv.swap"})};
    EXPECT_FALSE(plan.unmounts("/srv/inner"));
}

}  // namespace
}  // namespace volumecrypt::daemon
