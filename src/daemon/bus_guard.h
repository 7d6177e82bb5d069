// SPDX-License-Identifier: Apache-2.0
// sdbus-c++ 1.2 lets everything but its own exceptions end the process: nothing may throw past
// here.
#pragma once

#include <exception>
#include <string>

#include <sdbus-c++/sdbus-c++.h>

#include "base/error.h"
#include "base/journal.h"

namespace volumecrypt::daemon {

// For callbacks that nobody waits for.
template <typename Function>
void guarded(Function &&function) noexcept {
    try {
        function();
    } catch (const std::exception &exception) {
        base::log(base::Severity::Error,
                  std::string("A D-Bus callback failed: ") + exception.what());
    } catch (...) {
        base::log(base::Severity::Error, "A D-Bus callback failed");
    }
}

// For methods and property getters: what is not an answer already becomes Internal.
template <typename Function>
auto answering(Function &&function) -> decltype(function()) {
    try {
        return function();
    } catch (const sdbus::Error &) {
        throw;
    } catch (const std::exception &exception) {
        base::log(base::Severity::Error, std::string("A D-Bus method failed: ") + exception.what());
        throw sdbus::Error("org.example.VolumeCrypt.Error.Internal", exception.what());
    }
}

}  // namespace volumecrypt::daemon
