// SPDX-License-Identifier: Apache-2.0
// The last stop for exceptions of callbacks that nobody waits for: the libraries which call them
// are in C, or end the process.
#pragma once

#include <exception>
#include <string>

#include "base/journal.h"

namespace volumecrypt::daemon {

template <typename Function>
void guarded(Function &&function) noexcept {
    try {
        function();
    } catch (const std::exception &exception) {
        base::log(base::Severity::Error, std::string("A callback failed: ") + exception.what());
    } catch (...) {
        base::log(base::Severity::Error, "A callback failed");
    }
}

}  // namespace volumecrypt::daemon
