// SPDX-License-Identifier: Apache-2.0
// From the engine's command line to what it is to do.
#pragma once

#include <variant>

#include "volume/options.h"

namespace volumecrypt::engine {

// The options, or the exit status after help, version or a usage error has been printed.
std::variant<volume::Options, int> parseOptions(int argc, char **argv);

}  // namespace volumecrypt::engine
