// SPDX-License-Identifier: Apache-2.0
// UTF-8 character by character, and cuts between characters.
#include "base/text.h"

#include <gtest/gtest.h>

namespace volumecrypt::base {
namespace {

TEST(Text, CharactersAreDecodedOneByOne) {
    const auto euro = decodeCharacter("\xe2\x82\xac\xff");
    ASSERT_TRUE(euro);
    EXPECT_EQ(euro->value, U'\u20ac');
    EXPECT_EQ(euro->bytes, 3U);
    EXPECT_EQ(decodeCharacter("\xf4\x8f\xbf\xbf")->value, U'\U0010ffff');
    EXPECT_EQ(decodeCharacter("a\xff")->bytes, 1U) << "what follows is another's affair";
    EXPECT_EQ(decodeCharacter(std::string_view("\0", 1))->value, 0U);
}

TEST(Text, WhatIsNoCharacterIsNone) {
    for (const std::string_view bytes : {"", "\x80", "\xc0\xaf", "\xe2\x82", "\xed\xa0\x80",
                                         "\xf4\x90\x80\x80", "\xf8\x88\x80", "\xff"}) {
        EXPECT_FALSE(decodeCharacter(bytes)) << toHex(bytes);
        EXPECT_EQ(isUtf8(bytes), bytes.empty()) << toHex(bytes);
    }
}

TEST(Text, ACutIsBetweenCharacters) {
    EXPECT_EQ(beginningOf("a\xc3\xa9z", 2), "a");
    EXPECT_EQ(beginningOf("a\xc3\xa9z", 3), "a\xc3\xa9");
    EXPECT_EQ(beginningOf("abc", 3), "abc");
    EXPECT_EQ(beginningOf("\xff\xff\xff", 2), "\xff\xff");
    EXPECT_EQ(printableText("a\xc3\xa9z\n", 2), "a...");
    EXPECT_EQ(printableText("a\nb\x7f", 4), "a b ");
}

TEST(Text, TheLastCharacterIsTakenBackWhole) {
    EXPECT_EQ(withoutLastCharacter("a\xe2\x82\xac"), "a");
    EXPECT_EQ(withoutLastCharacter("a\xe2\x82"), "a\xe2") << "bytes of none count each";
    EXPECT_EQ(withoutLastCharacter("a"), "");
    EXPECT_EQ(withoutLastCharacter(""), "");
}

TEST(Text, LinesOfAProgramAreJoined) {
    EXPECT_EQ(joinedLines("\none\r\n\ntwo\x1b[0m\n"), "one; two[0m");
    EXPECT_EQ(joinedLines(std::string(1001, 'x')).size(), 1000U);
}

}  // namespace
}  // namespace volumecrypt::base
