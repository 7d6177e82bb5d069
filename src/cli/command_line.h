// SPDX-License-Identifier: Apache-2.0
// The command line of volumecryptctl, parsed.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace volumecrypt::cli {

enum class Command {
    List,
    Status,
    Plan,
    Apply,
    Reload,
    Unlock,
    Lock,
    Sync,
    Keys,
    AddKey,
    RemoveKey,
    RotateKey,
    Grow,
    Format,
    Wipe,
    Erase,
    Forget,
    Jobs,
    Cancel,
    Watch,
    Tpm,
    Meta,
    Check,
    Help,
};

struct Arguments {
    Command command = Command::List;
    std::string name = "list";  // of the command, as typed: "add-key"
    std::string volume;         // empty: all, where that is allowed
    unsigned slot = 0;
    std::string job;
    std::optional<std::string> secretFile;  // "-": standard input
    std::optional<std::string> unlockFile;  // add-key; the same
    bool passphrase = false;                // unlock: ask for one
    bool recovery = false;                  // unlock: ask for a recovery key; add-key: make one
    std::optional<std::string> confirm;
    bool force = false;
    bool verify = false;
    bool adopt = false;
    bool noWait = false;
    bool json = false;
    std::optional<bool> ask;  // whether polkit may ask somebody; unset: when stdin is a terminal
    std::string engine;       // meta, unlock: the engine to ask; empty: the installed one
    std::string topic;        // help: the command to tell about
    std::vector<std::string> files;       // check: these; none: those of the machine
    std::string root;                     // check: prefix of the machine's directories
    std::vector<std::string> configDirs;  // check: instead of the machine's
    std::string address;                  // of the bus; empty: the system bus
};

// What to print before leaving: help and version (code 0, to stdout), or a usage error (code 64,
// to stderr).
struct Leave {
    int code = 0;
    std::string text;
};

using Parsed = std::variant<Arguments, Leave>;

// `words` without the program's name.
Parsed parseCommandLine(const std::vector<std::string> &words);

}  // namespace volumecrypt::cli
