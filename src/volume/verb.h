// SPDX-License-Identifier: Apache-2.0
// The verbs of the engine and their names.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace volumecrypt::volume {

enum class Verb {
    Inspect,
    Plan,
    Attach,
    Detach,
    Format,
    Sync,
    Grow,
    AddKey,
    RemoveKey,
    Rotate,
    Wipe,
    Erase,
    Forget,
    Tpm
};

// As typed on the command line and in the `verb` member of results.
std::string verbName(Verb verb);
std::optional<Verb> verbFrom(std::string_view name);

}  // namespace volumecrypt::volume
