// SPDX-License-Identifier: Apache-2.0
// The one translation of D-Bus errors into ours.
#pragma once

#include <exception>
#include <string>
#include <type_traits>

#include <sdbus-c++/Error.h>

#include "base/result.h"

namespace volumecrypt::cli {

inline constexpr const char *kErrorPrefix = "org.example.VolumeCrypt.Error.";

// `name` and `message` as in a D-Bus error or in a job's Finished signal. What the service says
// after the first line of its message is the hint.
base::Error errorFromBus(const std::string &name, const std::string &message);

// Runs `call` and turns what it throws into an Error: no exception leaves the client.
template <typename Call>
auto guarded(const Call &call) -> base::Result<std::invoke_result_t<Call>> {
    try {
        if constexpr (std::is_void_v<std::invoke_result_t<Call>>) {
            call();
            return {};
        } else {
            return call();
        }
    } catch (const sdbus::Error &error) {
        return base::fail(errorFromBus(error.getName(), error.getMessage()));
    } catch (const std::exception &error) {
        return base::fail(base::ErrorCode::Internal, error.what());
    }
}

}  // namespace volumecrypt::cli
