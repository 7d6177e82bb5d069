// SPDX-License-Identifier: Apache-2.0
// Writing both copies of a LUKS2 header without libcryptsetup.
#pragma once

#include <functional>
#include <string>

#include <nlohmann/json.hpp>

#include "base/result.h"

namespace volumecrypt::luks {

// The header on `path` with another JSON, under libcryptsetup's lock: both copies, with the next
// sequence number, one after the other and each flushed, so that one is whole at any moment. Before
// anything is written libcryptsetup has to understand the new header as we do.
// `edit` is given the JSON as it is now and changes it; its error ends it all with nothing written.
// `before` runs when it is certain that the header can be written, with the device open.
// NoSpace when the JSON is too long, HeaderCorrupt, Busy, Io.
base::Status rewriteHeader(const std::string &path,
                           const std::function<base::Status(nlohmann::json &)> &edit,
                           const std::function<base::Status(int)> &before = {});

}  // namespace volumecrypt::luks
