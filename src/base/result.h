// SPDX-License-Identifier: Apache-2.0
// Result<T>: a value or an Error.
#pragma once

#include <string>
#include <utility>

#include <tl/expected.hpp>

#include "base/error.h"

namespace volumecrypt::base {

// A class of its own and not an alias, so that the compiler refuses a dropped result.
template <typename T>
class [[nodiscard]] Result : public tl::expected<T, Error> {
  public:
    using tl::expected<T, Error>::expected;
};
using Status = Result<void>;

inline tl::unexpected<Error> fail(Error error) {
    return tl::unexpected<Error>(std::move(error));
}

inline tl::unexpected<Error> fail(ErrorCode code, std::string message, std::string hint = {}) {
    return tl::unexpected<Error>(Error(code, std::move(message), std::move(hint)));
}

}  // namespace volumecrypt::base

// Leaves the function with the error of a failed Result; goes on otherwise.
#define VC_TRY(expression)                                                                  \
    do {                                                                                    \
        auto vcTryResult = (expression);                                                    \
        if (!vcTryResult) return ::volumecrypt::base::fail(std::move(vcTryResult).error()); \
    } while (false)

#define VC_CONCAT_INNER(a, b) a##b
#define VC_CONCAT(a, b) VC_CONCAT_INNER(a, b)

// NOLINTBEGIN(bugprone-macro-parentheses): what is declared cannot stand in parentheses.
// VC_ASSIGN(auto x, expression): declares or assigns from a successful Result, or leaves with its
// error.
#define VC_ASSIGN_NAMED(target, expression, name)                           \
    auto name = (expression);                                               \
    if (!(name)) return ::volumecrypt::base::fail(std::move(name).error()); \
    target = std::move(*(name))
#define VC_ASSIGN(target, expression) \
    VC_ASSIGN_NAMED(target, expression, VC_CONCAT(vcAssignResult, __LINE__))
// NOLINTEND(bugprone-macro-parentheses)
