// SPDX-License-Identifier: Apache-2.0
// The error of a tag 9 that cannot be used.
#pragma once

#include <string>

#include "base/result.h"

namespace volumecrypt::meta {

// `what` repeats nothing that META says: it may be a passphrase, or made to be printed.
inline tl::unexpected<base::Error> unusable(const std::string &what) {
    return base::fail(base::ErrorCode::HeaderCorrupt,
                      "error unmarshalling state encryption meta key: " + what,
                      "Declare the encryption of STATE in the configuration: it is then saved to "
                      "META anew.");
}

}  // namespace volumecrypt::meta
