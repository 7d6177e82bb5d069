// SPDX-License-Identifier: Apache-2.0
// Sizes and durations as Talos writes them, which are not systemd's.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

namespace volumecrypt::config {

// "128GiB", "2.5 tb", "1000": units of 1000 without an "i", of 1024 with one.
std::optional<std::uint64_t> parseByteSize(std::string_view text);

// "168h0m0s", "1.5h", "90s", "0": Go's, in whole seconds, at least one unless it is 0; negative
// ones come back as they are.
std::optional<std::chrono::seconds> parseGoDuration(std::string_view text);

}  // namespace volumecrypt::config
