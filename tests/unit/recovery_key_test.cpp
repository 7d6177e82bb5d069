// SPDX-License-Identifier: Apache-2.0
// Recovery keys: systemd's form, and what people make of it when they type.
#include "base/recovery_key.h"

#include <set>
#include <string>

#include <gtest/gtest.h>

#include "support/result_matchers.h"

namespace volumecrypt::base {
namespace {

using test::FailsWith;
using test::IsOk;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

std::string text(const SecretBuffer &secret) {
    return {secret.chars(), secret.size()};
}

std::string normalized(const std::string &typed) {
    const auto key = normalizeRecoveryKey(SecretBuffer::copyOf(typed));
    return key ? text(*key) : "error: " + key.error().message;
}

constexpr const char *kKey =
    "cbdefghi-jklnrtuv-cbdefghi-jklnrtuv-cbdefghi-jklnrtuv-cbdefghi-jklnrtuv";

TEST(RecoveryKey, HasTheFormOfSystemd) {
    std::set<std::string> seen;
    std::set<char> letters;
    for (int i = 0; i < 20; ++i) {
        const auto key = makeRecoveryKey();
        ASSERT_THAT(key, IsOk());
        EXPECT_THAT(text(*key), MatchesRegex("[cbdefghijklnrtuv]{8}(-[cbdefghijklnrtuv]{8}){7}"));
        EXPECT_EQ(normalized(text(*key)), text(*key));
        EXPECT_TRUE(seen.insert(text(*key)).second);
        for (const char c : text(*key)) letters.insert(c);
    }
    EXPECT_EQ(letters.size(), 17U) << "sixteen letters and the dash";
}

TEST(RecoveryKey, TypingIsForgiven) {
    EXPECT_EQ(normalized(kKey), kKey);
    EXPECT_EQ(
        normalized("CBDEFGHI JKLNRTUV cbdefghijklnrtuv\ncbdefghi-jklnrtuvcbdefghi--jklnrtuv\r\n"),
        kKey);
}

TEST(RecoveryKey, MistakesAreNamed) {
    const std::string key = kKey;
    EXPECT_THAT(normalized(key.substr(0, 70)), HasSubstr("too short"));
    EXPECT_THAT(normalized(key + "c"), HasSubstr("too long"));
    EXPECT_THAT(normalized(""), HasSubstr("too short"));
    EXPECT_THAT(normalized("a" + key.substr(1)), HasSubstr("a character in it"));
    EXPECT_THAT(normalized(key.substr(1) + "\xc3"), HasSubstr("a character in it"));
}

}  // namespace
}  // namespace volumecrypt::base
