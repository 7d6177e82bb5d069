// SPDX-License-Identifier: Apache-2.0
// The files that a volume's keys are in or are checked with, and where units do not see them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "model/volume_spec.h"

namespace volumecrypt::model {

struct KeyFile {
    unsigned slot = 0;
    std::string_view field;  // as in the configuration: passphraseFile, caFile, …
    std::string path;
};

// In the order of the keys; those that are declared only.
std::vector<KeyFile> keyFiles(const VolumeSpec &volume);

// Whether `path` is `directory` or below it. Both absolute.
bool isAtOrBelow(std::string_view path, std::string_view directory);

// Below /home, /root or /run/user: what ProtectHome= hides.
bool isBelowHome(std::string_view path);

}  // namespace volumecrypt::model
