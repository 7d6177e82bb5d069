// SPDX-License-Identifier: Apache-2.0
// What was in a TPM without resource manager when an engine opened it, on disk for as long as it is
// open. Whoever finds such a note, with the lock in hand, knows that the writer died: what is in
// the TPM now and not in the note is, as far as can be known, what the dead one made. Internal to
// this folder.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include "base/result.h"
#include "model/system_paths.h"

namespace volumecrypt::tpm {

using Handles = std::set<std::uint32_t>;

class OpeningNote {
  public:
    // One for each interface. Below /run, which ends with the TPM's power.
    OpeningNote(const model::SystemPaths &paths, const std::string &tcti);

    // Of the one who died; empty when nobody did, or the note is unreadable.
    [[nodiscard]] std::optional<Handles> read() const;
    base::Status write(const Handles &handles) const;
    void remove() const;

  private:
    std::string path_;
};

}  // namespace volumecrypt::tpm
