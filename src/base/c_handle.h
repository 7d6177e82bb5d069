// SPDX-License-Identifier: Apache-2.0
// Owning handles over C libraries: a unique_ptr whose deleter is a function known at compile time.
#pragma once

#include <memory>

namespace volumecrypt::base {

template <auto Function>
struct FunctionDeleter {
    template <typename T>
    void operator()(T *pointer) const noexcept {
        Function(pointer);
    }
};

template <typename T, auto Function>
using CHandle = std::unique_ptr<T, FunctionDeleter<Function>>;

}  // namespace volumecrypt::base
