// SPDX-License-Identifier: Apache-2.0
// Base64: the vectors of RFC 4648, and what is none.
#include "crypto/base64.h"

#include <gtest/gtest.h>

namespace volumecrypt::test {
namespace {

TEST(Base64, VectorsOfTheStandard) {
    for (const auto &[bytes, text] : {std::pair{"", ""},
                                      {"f", "Zg=="},
                                      {"fo", "Zm8="},
                                      {"foo", "Zm9v"},
                                      {"foob", "Zm9vYg=="},
                                      {"fooba", "Zm9vYmE="},
                                      {"foobar", "Zm9vYmFy"}}) {
        EXPECT_EQ(crypto::toBase64(bytes), text);
        EXPECT_EQ(crypto::fromBase64(text), bytes);
    }
}

TEST(Base64, BitsBehindTheEndAreLeftOut) {
    EXPECT_EQ(crypto::fromBase64("Zh=="), "f");
}

TEST(Base64, EveryByte) {
    std::string bytes;
    for (int i = 0; i < 256; ++i) bytes += static_cast<char>(i);
    const std::string text = crypto::toBase64(bytes);
    EXPECT_EQ(text.substr(0, 44), "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g");
    EXPECT_EQ(text.substr(text.size() - 8), "/P3+/w==");
    EXPECT_EQ(crypto::fromBase64(text), bytes);
}

TEST(Base64, AnythingElseIsRefused) {
    for (const char *text : {"Zg", "Zg=", "Zg===", "Z===", "====", "Zg==Zg==", "Z*==", "Zm9v\n",
                             "Zm 9", "Zm9-", "Zm_v"})
        EXPECT_EQ(crypto::fromBase64(text), std::nullopt) << text;
}

}  // namespace
}  // namespace volumecrypt::test
