// SPDX-License-Identifier: Apache-2.0
// What is done at the end of a scope: any step, or giving back what a C library handed out.
#pragma once

#include <memory>
#include <utility>

namespace volumecrypt::base {

// Runs an undo step at the end of the scope unless release() was called.
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

// A unique_ptr whose deleter is a function known at compile time.
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
