// SPDX-License-Identifier: Apache-2.0
// sdbus-c++ lets everything but its own exceptions end the process: nothing may throw past
// here.
#pragma once

#include <exception>
#include <string>

#include "base/error.h"
#include "base/journal.h"
#include "bus/sdbus.h"
#include "daemon/event_loop.h"

namespace volumecrypt::bus {

// For methods and property getters: what is not an answer already becomes Internal.
template <typename Function>
auto answering(Function &&function) -> decltype(function()) {
    try {
        return function();
    } catch (const sdbus::Error &) {
        throw;
    } catch (const std::exception &exception) {
        base::log(base::Severity::Error, std::string("A D-Bus method failed: ") + exception.what());
        throw busError("org.example.VolumeCrypt.Error.Internal", exception.what());
    }
}

}  // namespace volumecrypt::bus
