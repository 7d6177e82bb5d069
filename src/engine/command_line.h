// SPDX-License-Identifier: Apache-2.0
// The engine's words as they were typed, each of the right form.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/result.h"
#include "model/key_kind.h"
#include "volume/options.h"

namespace volumecrypt::engine {

// Where a member is empty its option was not given.
struct CommandLine {
    std::string verb, id, root, tcti, confirm, kmsHelper;
    std::vector<std::string> configDirs;
    std::optional<int> secretFd, unlockFd, headerFd, secretsFrom;
    std::optional<unsigned> slot;
    std::optional<std::uint64_t> rate;
    model::KeyKind kind = model::KeyKind::Passphrase;
    bool json = false;  // --output
    bool force = false, verify = false, adopt = false, testKdf = false;
};

enum class Request { Help, Version };

// InvalidConfig says which word is wrong.
base::Result<std::variant<CommandLine, Request>> parseCommandLine(int argc, char **argv);

void printHelp();
void printVersion();

// The options, or the exit status after help, version or a usage error has been printed.
std::variant<volume::Options, int> parseOptions(int argc, char **argv);

}  // namespace volumecrypt::engine
