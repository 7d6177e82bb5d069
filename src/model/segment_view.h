// SPDX-License-Identifier: Apache-2.0
// A part of a LUKS2 device, and how the data in it is to be read.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace volumecrypt::model {

struct SegmentView {
    unsigned number = 0;
    std::string type;  // crypt, linear
    std::string cipher;
    std::uint64_t offset = 0;   // bytes
    std::string size;           // "dynamic", or bytes in decimal digits
    std::uint64_t ivTweak = 0;  // added to the number of each sector
    unsigned sectorSize = 512;  // bytes
    std::vector<std::string> flags;
    bool integrity = false;

    [[nodiscard]] bool hasFlag(const std::string &flag) const;
    // Tells where the data was or will be, and not how it is to be read now.
    [[nodiscard]] bool isBackup() const;
};

}  // namespace volumecrypt::model
