// SPDX-License-Identifier: Apache-2.0
// gmock matchers for base::Result: EXPECT_THAT(result, IsOk()), FailsWith(code), FailsWith(code,
// m).
#pragma once

#include <ostream>
#include <string>
#include <type_traits>

#include <gmock/gmock.h>

#include "base/error.h"
#include "base/result.h"

namespace volumecrypt::base {

// How gtest shows an error.
inline void PrintTo(const Error &error, std::ostream *out) {
    *out << errorName(error.code) << ": " << error.message;
    if (!error.hint.empty()) *out << " [" << error.hint << "]";
}

}  // namespace volumecrypt::base

namespace volumecrypt::test {

MATCHER(IsOk, negation ? "is an error" : "is not an error") {
    if (arg.has_value()) return true;
    *result_listener << "which is " << ::testing::PrintToString(arg.error());
    return false;
}

MATCHER_P(FailsWith, code, "is the error " + std::string(base::errorName(code))) {
    if (arg.has_value()) {
        *result_listener << "which is not an error";
        return false;
    }
    *result_listener << "which is " << ::testing::PrintToString(arg.error());
    return arg.error().code == code;
}

// `message` is a matcher for the error's message.
MATCHER_P2(FailsWith, code, message, "is the error " + std::string(base::errorName(code))) {
    if (arg.has_value()) {
        *result_listener << "which is not an error";
        return false;
    }
    *result_listener << "which is " << ::testing::PrintToString(arg.error());
    return arg.error().code == code &&
           ::testing::ExplainMatchResult(message, arg.error().message, result_listener);
}

}  // namespace volumecrypt::test
