// SPDX-License-Identifier: Apache-2.0
// Reads YAML text document by document into nodes; the face of yaml-cpp.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "config/loader.h"
#include "config/yaml_tree.h"

namespace volumecrypt::config {

// Bounds that no sensible configuration reaches; they keep the memory and the time of a hostile one
// small.
inline constexpr std::size_t kLargestFile = std::size_t{1} << 20;
inline constexpr std::size_t kDeepestNesting = 32;
inline constexpr std::size_t kMostNodes = 50'000;  // of a document, aliases counted in full

struct ReadOutcome {
    // The first value of a field `passphrase` in the text, in whatever document.
    std::optional<Place> passphrase;
    // What stopped the reading; documents before it were delivered.
    std::optional<Place> faultPlace;
    std::string fault;
};

// Delivers each document in turn, until `visit` returns false. With Secrets::Drop the text of
// `passphrase` fields is not kept.
ReadOutcome readYaml(std::string_view text, Secrets secrets,
                     const std::function<bool(const Document &)> &visit);

}  // namespace volumecrypt::config
