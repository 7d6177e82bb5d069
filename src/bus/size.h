// SPDX-License-Identifier: Apache-2.0
// How large the calls are that anybody may send us.
#pragma once

struct sd_bus_message;

namespace volumecrypt::bus {

enum class CallSize {
    Fits,
    TooLarge,  // more than any call of ours needs
    Malformed  // not the types that it says, or types that no call of ours has
};

// Looks at no more of a call than may be in it, builds nothing from it, and leaves it to be read
// from its beginning.
CallSize sizeOf(sd_bus_message *call);

}  // namespace volumecrypt::bus
