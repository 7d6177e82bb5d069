// SPDX-License-Identifier: Apache-2.0
// The rules by which Talos (1.12.7 and later) accepts a LUKS2 header, written down from its
// behaviour and not shared with anything in src/.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace volumecrypt::test {

// What Talos would object to in the metadata of a header of this version; empty: it accepts it.
std::vector<std::string> talosObjections(unsigned version, const nlohmann::json &metadata);

// The same for an image: both binary headers and their metadata are read from it.
std::vector<std::string> talosObjections(const std::string &image);

// The metadata of the primary header.
nlohmann::json metadataOf(const std::string &image);

}  // namespace volumecrypt::test
