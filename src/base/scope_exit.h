// SPDX-License-Identifier: Apache-2.0
// Runs an undo step at the end of a scope unless release() was called.
#pragma once

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

}  // namespace volumecrypt::base
