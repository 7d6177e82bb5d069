// SPDX-License-Identifier: Apache-2.0
// A TPM of the test's own: swtpm on a socket, its state in a temporary directory.
#pragma once

#include <string>
#include <vector>

#include <sys/types.h>

#include "support/process.h"
#include "support/temp_dir.h"

namespace volumecrypt::test {

class Swtpm {
  public:
    // PCR 7 has a value: what was never measured is not sealed to.
    Swtpm();
    ~Swtpm();
    Swtpm(const Swtpm &) = delete;
    Swtpm &operator=(const Swtpm &) = delete;
    Swtpm(Swtpm &&) = delete;
    Swtpm &operator=(Swtpm &&) = delete;

    // For --tcti: no resource manager is in between, so what is left behind shows.
    [[nodiscard]] std::string tcti() const { return "swtpm:path=" + socket(); }
    [[nodiscard]] std::string socket() const { return directory_.path() + "/tpm"; }
    // Extends a PCR with the hash of a text.
    void extend(unsigned pcr, const std::string &text) const;
    // As a power cycle does: PCRs are zero again, PCR 7 then has its first value.
    void restart();
    // Forgets its seeds: every key that was sealed is lost.
    void clear();
    // A program of tpm2-tools, which must not fail; its output.
    std::string tool(std::vector<std::string> argv) const;
    // What is in the TPM besides persistent objects: empty when everybody cleaned up.
    [[nodiscard]] std::string leftovers() const;
    [[nodiscard]] pid_t process() const { return process_; }

  private:
    void start();
    void stop();

    TempDir directory_;
    pid_t process_ = -1;
};

}  // namespace volumecrypt::test
