// SPDX-License-Identifier: Apache-2.0
// What a shell may offer for the last word of a line that is being typed. The scripts in
// completions/ ask by the hidden command `__complete WORD...`, with what stands behind the
// program's name up to the cursor. The answer is ":files" or ":folders", which the shell knows
// better; or one line for each word that may stand there, with what it means behind a tab.
#pragma once

#include "cli/command.h"

namespace volumecrypt::cli {

const Command &completion();

}  // namespace volumecrypt::cli
