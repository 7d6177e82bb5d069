// SPDX-License-Identifier: Apache-2.0
// Several descriptors through one: a program that systemd starts gets no more than its standard
// input, and what they hold need not be read on the way.
#pragma once

#include <cstddef>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace volumecrypt::base {

// A socket in which the descriptors wait, in this order. They may be closed here at once.
Result<UniqueFd> handOver(const std::vector<UniqueFd> &fds);

// `count` descriptors from such a socket, at once. Io when it holds another number of them.
Result<std::vector<UniqueFd>> takeOver(int socket, std::size_t count);

}  // namespace volumecrypt::base
