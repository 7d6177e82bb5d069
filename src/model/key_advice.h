// SPDX-License-Identifier: Apache-2.0
// What an administrator does about keys that no program can make anew for him.
#pragma once

#include <string>

#include "model/key_spec.h"

namespace volumecrypt::model {

// How to have another key than the one that is declared, of a kind that follows from something:
// a sentence for hints.
std::string howToChange(KeyKind kind);

}  // namespace volumecrypt::model
