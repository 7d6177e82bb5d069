// SPDX-License-Identifier: Apache-2.0
// Reading a secret that may never come, for those who can be told to stop waiting.
#pragma once

#include <cstddef>
#include <functional>

#include "base/secret_buffer.h"

namespace volumecrypt::base {

// readSecret that asks `checkStop` every now and then, and ends with its error.
Result<SecretBuffer> readSecretUnlessStopped(int fd, std::size_t limit, int timeoutMs,
                                             const std::function<Status()> &checkStop);

}  // namespace volumecrypt::base
