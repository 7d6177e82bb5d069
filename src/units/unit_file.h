// SPDX-License-Identifier: Apache-2.0
// One thing that the generator puts into its directory: a file or a symbolic link.
#pragma once

#include <compare>
#include <string>

namespace volumecrypt::units {

struct UnitFile {
    std::string path;     // relative to the generator's directory, normalised
    std::string content;  // of a file
    std::string target;   // of a link; empty: a file

    [[nodiscard]] bool isLink() const { return !target.empty(); }
    friend bool operator==(const UnitFile &, const UnitFile &) = default;
    friend auto operator<=>(const UnitFile &, const UnitFile &) = default;
};

// Where the unit files live that links point to.
struct UnitDirectories {
    std::string own;     // volumecrypt@.service
    std::string vendor;  // systemd's own
};

}  // namespace volumecrypt::units
