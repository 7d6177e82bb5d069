// SPDX-License-Identifier: Apache-2.0
// What can be said of mappings without any: real ones need device-mapper (the suites dm and boot).
#include <gtest/gtest.h>

#include "luks/mapping.h"
#include "support/header_on_disk.h"

namespace volumecrypt::test {
namespace {

using ::testing::Not;

// No machine has it.
constexpr const char *kNoMapping = "luks2-volumecrypt-test-absent";

TEST(Mapping, AbsentIsFoundToBeAbsent) {
    const auto mapping = luks::findMapping(kNoMapping);
    ASSERT_THAT(mapping, IsOk());
    EXPECT_FALSE(mapping->has_value());
}

TEST(Mapping, DeactivatingAnAbsentOneIsSuccess) {
    EXPECT_THAT(luks::deactivate(kNoMapping, false), IsOk());
    EXPECT_THAT(luks::deactivate(kNoMapping, true), IsOk());
}

TEST_F(HeaderOnDisk, AnotherVolumeKeyMapsNothing) {
    const auto header = copy();
    ASSERT_THAT(header, IsOk());
    const auto wrong = base::SecretBuffer::copyOf(std::string(64, 'w'));
    EXPECT_THAT(luks::activate(*header, image_.path(), kNoMapping, wrong, {}), Not(IsOk()));
    EXPECT_THAT(luks::resize(kNoMapping, *header, image_.path(), volumeKey_), Not(IsOk()));
    const auto mapping = luks::findMapping(kNoMapping);
    ASSERT_THAT(mapping, IsOk());
    EXPECT_FALSE(mapping->has_value());
}

}  // namespace
}  // namespace volumecrypt::test
