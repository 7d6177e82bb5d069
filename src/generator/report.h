// SPDX-License-Identifier: Apache-2.0
// Where a generator says what went wrong: no journal runs that early.
#pragma once

#include <string>
#include <string_view>

#include "base/journal.h"
#include "base/unique_fd.h"

namespace volumecrypt::generator {

class Report {
  public:
    // To the kernel log when systemd runs us, so that it reaches the journal later; else to stderr.
    Report();

    void say(base::Severity severity, std::string_view message);

  private:
    base::UniqueFd kernelLog_;
};

}  // namespace volumecrypt::generator
