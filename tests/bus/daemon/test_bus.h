// SPDX-License-Identifier: Apache-2.0
// A system bus of the test's own: the real dbus-daemon with our policy, and the real polkitd with
// our actions.
#pragma once

#include <string>

#include "companion.h"
#include "support/temp_dir.h"

namespace volumecrypt::test {

enum class Polkit { Real, Absent };

class TestBus {
  public:
    // Sets DBUS_SYSTEM_BUS_ADDRESS for this process and what it starts.
    explicit TestBus(Polkit polkit);

    // polkitd reads it within a moment.
    void writeRule(const std::string &name, const std::string &javascript) const;
    void removeRules() const;
    [[nodiscard]] const TempDir &folder() const { return folder_; }

  private:
    void startBus();
    void startPolkit();

    TempDir folder_;
    Companion bus_;
    Companion polkit_;
};

}  // namespace volumecrypt::test
