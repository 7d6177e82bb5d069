// SPDX-License-Identifier: Apache-2.0
// JSON of unknown origin: bounded in depth and length, and its numbers are what they say.
#include "base/foreign_json.h"

#include <gtest/gtest.h>

namespace volumecrypt::base {
namespace {

std::string nested(std::size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
}

TEST(ForeignJson, DepthIsBounded) {
    EXPECT_FALSE(parseForeignJson(nested(kDeepestJson)).is_discarded());
    EXPECT_TRUE(parseForeignJson(nested(kDeepestJson + 1)).is_discarded());
    std::string objects;
    for (int i = 0; i < 120'000; ++i) objects += R"({"a":)";
    for (const std::string &deep : {nested(120'000), objects + "1" + std::string(120'000, '}'),
                                    objects, std::string(1'000'000, '[')}) {
        EXPECT_TRUE(parseForeignJson(deep).is_discarded());
        EXPECT_TRUE(parseForeignJsonInOrder(deep).is_discarded());
    }
}

TEST(ForeignJson, BracketsInTextDoNotCount) {
    const std::string many(1000, '[');
    const auto json = parseForeignJson(R"({"a":"\")" + many + R"(","b\\":"{{\\","c":[[]]})");
    ASSERT_TRUE(json.is_object());
    EXPECT_EQ(json.at("a"), "\"" + many);
    // Beside one another they do not add up.
    std::string wide = "[";
    for (int i = 0; i < 1000; ++i) wide += "[[]],";
    EXPECT_EQ(parseForeignJson(wide + "1]").size(), 1001U);
}

TEST(ForeignJson, LengthIsBounded) {
    const std::string most = "\"" + std::string(kLongestJson - 2, 'x') + "\"";
    EXPECT_FALSE(parseForeignJson(most).is_discarded());
    EXPECT_TRUE(parseForeignJson(most + " ").is_discarded());
}

TEST(ForeignJson, WhatIsNoJsonIsDiscarded) {
    for (const char *wrong : {"", "{", "]", "{]", "\"\xff\"", "1 2", "nul", "\"\\", "{\"a\"}"})
        EXPECT_TRUE(parseForeignJson(wrong).is_discarded()) << wrong;
    EXPECT_EQ(parseForeignJsonInOrder(R"({"b":1,"a":2})").dump(), R"({"b":1,"a":2})");
}

TEST(ForeignJson, NumbersAreTakenForWhatTheyAre) {
    const auto number = [](const char *text) {
        return integerIn<unsigned>(parseForeignJson(text));
    };
    EXPECT_EQ(number("0"), 0U);
    EXPECT_EQ(number("4294967295"), 4294967295U);
    for (const char *wrong : {"4294967296", "-1", "1e30", "1e-30", "1.0", "-0.0", "true", "null",
                              "\"1\"", "[1]", "18446744073709551616", "123456789012345678901234"})
        EXPECT_EQ(number(wrong), std::nullopt) << wrong;
    EXPECT_EQ(integerIn<int>(parseForeignJson("-1")), -1);
    EXPECT_EQ(integerIn<std::int64_t>(parseForeignJson("9223372036854775808")), std::nullopt);
    EXPECT_EQ(integerIn<std::uint64_t>(parseForeignJson("18446744073709551615")),
              18446744073709551615U);
    EXPECT_EQ(integersIn<unsigned>(parseForeignJson("[1,2]")), (std::vector<unsigned>{1, 2}));
    EXPECT_EQ(integersIn<unsigned>(parseForeignJson("[]")), std::vector<unsigned>());
    for (const char *wrong : {"[1,2e9999]", "[1,-1]", "{}", "1", "[[1]]"})
        EXPECT_EQ(integersIn<unsigned>(parseForeignJson(wrong)), std::nullopt) << wrong;
}

}  // namespace
}  // namespace volumecrypt::base
