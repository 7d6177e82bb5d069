// SPDX-License-Identifier: Apache-2.0
// What a command line says, as plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace volumecrypt::cli {

struct Command;

struct Arguments {
    const Command *command = nullptr;       // always one, once the line is parsed
    std::string volume;                     // empty: all, where that is allowed
    unsigned slot = 0;                      // remove-key, rotate-key
    std::string job;                        // cancel, watch
    std::optional<std::string> secretFile;  // "-": standard input
    std::optional<std::string> unlockFile;  // add-key; the same
    bool passphrase = false;                // unlock: ask for one
    bool recovery = false;                  // unlock: ask for a recovery key; add-key: make one
    std::optional<std::string> confirm;     // what destroys data: the ID once more
    std::string headerFile;                 // backup-header, restore-header
    bool force = false;                     // format
    std::uint64_t rate = 0;                 // of jobs: bytes a second; 0: any
    bool verify = false;                    // sync
    bool adopt = false;                     // sync
    bool noWait = false;
    bool json = false;
    std::optional<bool> ask;  // whether polkit may ask somebody; unset: when stdin is a terminal
    std::string engine;       // meta, unlock: the engine to ask; empty: the installed one
    std::string topic;        // help: the command to tell about
    std::vector<std::string> files;       // check: these; none: those of the machine
    std::string root;                     // check: prefix of the machine's directories
    std::vector<std::string> configDirs;  // check: instead of the machine's
    std::string address;                  // of the bus; empty: the system bus
    std::vector<std::string> words;       // what a shell wants to have completed
};

}  // namespace volumecrypt::cli
