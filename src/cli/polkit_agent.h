// SPDX-License-Identifier: Apache-2.0
// Where no desktop asks for polkit, pkttyagent asks on the terminal.
#pragma once

#include <sys/types.h>

namespace volumecrypt::cli {

// While it lives, polkit can ask whoever sits at the terminal. Does nothing for root, who needs no
// authorisation, without a terminal, and where there is no pkttyagent; one that is registered for
// the session already (a desktop's) comes first.
class PolkitAgent {
  public:
    PolkitAgent();
    ~PolkitAgent();
    PolkitAgent(const PolkitAgent &) = delete;
    PolkitAgent &operator=(const PolkitAgent &) = delete;
    PolkitAgent(PolkitAgent &&) = delete;
    PolkitAgent &operator=(PolkitAgent &&) = delete;

  private:
    pid_t pid_ = -1;
};

}  // namespace volumecrypt::cli
