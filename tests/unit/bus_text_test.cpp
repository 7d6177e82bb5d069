// SPDX-License-Identifier: Apache-2.0
// Any bytes become text that the bus carries.
#include <gtest/gtest.h>

#include "bus/text.h"

namespace volumecrypt::bus {
namespace {

TEST(BusText, LeavesTextAsItIs) {
    for (const char *text : {"", "/dev/sda1", "Geh\xc3\xa4use", "\xe2\x82\xac", "\xf0\x9f\x94\x91",
                             "two\nlines\t", "\xf4\x8f\xbf\xbd"})
        EXPECT_EQ(busText(text), text);
}

TEST(BusText, ReplacesWhatTheBusRefuses) {
    const std::string bad = "\xef\xbf\xbd";
    EXPECT_EQ(busText("a\xff"
                      "b"),
              "a" + bad + "b");
    EXPECT_EQ(busText("\xc3"), bad);                                // cut off
    EXPECT_EQ(busText("\xc0\xaf"), bad + bad);                      // not the shortest form
    EXPECT_EQ(busText("\xe0\x80\xaf"), bad + bad + bad);            // the same
    EXPECT_EQ(busText("\xed\xa0\x80"), bad + bad + bad);            // a surrogate
    EXPECT_EQ(busText("\xef\xbf\xbf"), bad + bad + bad);            // U+FFFF
    EXPECT_EQ(busText("\xef\xb7\x90"), bad + bad + bad);            // U+FDD0
    EXPECT_EQ(busText("\xf4\x90\x80\x80"), bad + bad + bad + bad);  // beyond Unicode
    EXPECT_EQ(busText("\x80x"), bad + "x");
}

TEST(BusText, EndsBeforeTheFirstNul) {
    EXPECT_EQ(busText(std::string("a\0b", 3)), "a");
}

}  // namespace
}  // namespace volumecrypt::bus
