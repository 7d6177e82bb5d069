// SPDX-License-Identifier: Apache-2.0
// Unlock where there is no bus.
#include <filesystem>

#include <gtest/gtest.h>

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "support/temp_dir.h"

namespace volumecrypt::cli {
namespace {

// The service that comes up later would keep it locked: Lock was called, and no Unlock since.
TEST(CliUnlock, WithoutABusTheMarkOfLockIsForgottenToo) {
    const test::TempDir root;
    const std::string mark = root.write("run/volumecrypt/locked/u-data", "");
    const std::string other = root.write("run/volumecrypt/locked/u-other", "");
    Arguments arguments;
    arguments.volume = "u-data";
    arguments.root = root.path();
    arguments.engine =
        root.write("engine", "#!/bin/sh\necho '{\"type\":\"result\",\"state\":\"unlocked\"}'\n",
                   std::filesystem::perms{0755});
    const Command &unlock = *findCommand("unlock");
    EXPECT_EQ(unlock.runWithoutBus(arguments), kExitDone);
    EXPECT_FALSE(std::filesystem::exists(mark));
    EXPECT_TRUE(std::filesystem::exists(other));
    EXPECT_EQ(unlock.runWithoutBus(arguments), kExitDone) << "there is no mark any more";
}

}  // namespace
}  // namespace volumecrypt::cli
