// SPDX-License-Identifier: Apache-2.0
// Runs an undo step at the end of a scope unless release() was called.
#pragma once

#include <memory>
#include <utility>

namespace volumecrypt::base {

template <typename Function>
class [[nodiscard]] ScopeExit {
  public:
    explicit ScopeExit(Function function) : function_(std::move(function)) {}
    ~ScopeExit() {
        if (armed_) function_();
    }
    ScopeExit(const ScopeExit &) = delete;
    ScopeExit &operator=(const ScopeExit &) = delete;
    ScopeExit(ScopeExit &&) = delete;
    ScopeExit &operator=(ScopeExit &&) = delete;

    void release() noexcept { armed_ = false; }

  private:
    Function function_;
    bool armed_ = true;
};

// What a C library hands out, and has to be given back to a function of it.
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
