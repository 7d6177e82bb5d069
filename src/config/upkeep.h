// SPDX-License-Identifier: Apache-2.0
// Reads what Talos does to a mounted file system from time to time: `trim` and `scrub`.
#pragma once

#include <chrono>
#include <optional>
#include <vector>

#include "config/draft.h"
#include "config/fields.h"
#include "config/loader.h"

namespace volumecrypt::config {

// What a FilesystemTrimConfig document says for all volumes.
struct TrimDefault {
    std::chrono::seconds interval{};
};

void readUpkeep(Fields &document, Draft &draft);
// The rest of a FilesystemTrimConfig; nothing when it is wrong, which was reported.
std::optional<TrimDefault> readTrimDefault(Fields &document);

// Once all documents are read: which volumes are trimmed how often. Says why one is not that was
// to be.
void resolveTrim(std::vector<Draft> &drafts, const std::optional<TrimDefault> &general,
                 std::vector<Problem> &problems);

}  // namespace volumecrypt::config
