// SPDX-License-Identifier: Apache-2.0
// Why the declared keys of a volume are of no use, in one error.
#pragma once

#include <set>
#include <string>

#include "base/error.h"

namespace volumecrypt::volume {

class KeyFailures {
  public:
    void add(const base::Error &error);
    // What is no failure of a key, such as an empty slot: told, and nothing more.
    void note(const std::string &reason);
    [[nodiscard]] const std::string &reasons() const { return reasons_; }

    // NoUsableKey with these words and the reasons; when the same thing happened to every key, and
    // it is of the KMS, the TPM, the salt or the disk, its own code. Worth retrying when that is
    // true of any. What can be mended at once is the first of the hint.
    [[nodiscard]] base::Error summary(const std::string &message, const std::string &hint) const;

  private:
    std::string reasons_;
    std::set<base::ErrorCode> codes_;
    std::string hint_;     // of the last failure of these kinds
    std::string repairs_;  // hints of keys that can be had again by a command or two
    bool retry_ = false;
};

}  // namespace volumecrypt::volume
