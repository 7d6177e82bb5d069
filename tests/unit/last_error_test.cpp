// SPDX-License-Identifier: Apache-2.0
// Which failures a volume remembers, and until when.
#include <gtest/gtest.h>

#include "daemon/volume_table.h"

namespace volumecrypt::daemon {
namespace {

using base::ErrorCode;

TEST(LastError, ARefusalSaysNothingOfTheVolume) {
    EXPECT_TRUE(isRefusal("sync", ErrorCode::Busy, true));
    EXPECT_TRUE(isRefusal("lock", ErrorCode::Busy, true));
    EXPECT_TRUE(isRefusal("unlock", ErrorCode::KeyRejected, false));
    EXPECT_TRUE(isRefusal("unlock", ErrorCode::NotAuthorized, false));
    EXPECT_TRUE(isRefusal("format", ErrorCode::NotBlank, false));
    EXPECT_TRUE(isRefusal("remove-key", ErrorCode::LastKey, true));
}

TEST(LastError, WhatKeepsAVolumeFromWorkingIsShown) {
    EXPECT_FALSE(isRefusal("attach", ErrorCode::Busy, false)) << "its device is in use";
    EXPECT_TRUE(isRefusal("attach", ErrorCode::Busy, true));
    EXPECT_FALSE(isRefusal("inspect", ErrorCode::Busy, true));
    EXPECT_FALSE(isRefusal("attach", ErrorCode::InvalidConfig, false));
    EXPECT_FALSE(isRefusal("sync", ErrorCode::SlotInUse, true));
    EXPECT_FALSE(isRefusal("attach", ErrorCode::NoUsableKey, false));
    EXPECT_FALSE(isRefusal("remove-key", ErrorCode::Io, true));
}

TEST(LastError, EndsWithASuccessOfItsKind) {
    EXPECT_TRUE(endsError("unlock", "attach"));
    EXPECT_TRUE(endsError("attach", "unlock"));
    EXPECT_TRUE(endsError("sync", "attach")) << "a key has opened it";
    EXPECT_TRUE(endsError("sync", "rotate"));
    EXPECT_TRUE(endsError("unlock", "lock"));
    EXPECT_TRUE(endsError("format", "sync")) << "it is another volume";
    EXPECT_FALSE(endsError("unlock", "sync"));
    EXPECT_FALSE(endsError("add-key", "sync"));
    EXPECT_FALSE(endsError("lock", "attach"));
    EXPECT_FALSE(endsError("sync", "inspect"));
}

}  // namespace
}  // namespace volumecrypt::daemon
