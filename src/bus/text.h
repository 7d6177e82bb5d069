// SPDX-License-Identifier: Apache-2.0
// Text that D-Bus can carry.
#pragma once

#include <string>
#include <string_view>

namespace volumecrypt::bus {

// Names of files, devices and file systems are bytes of anybody's choice, and the bus refuses a
// whole message for one string that is not UTF-8. What cannot be carried becomes U+FFFD; a text
// ends before its first NUL.
std::string busText(std::string_view text);

}  // namespace volumecrypt::bus
