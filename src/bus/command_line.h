// SPDX-License-Identifier: Apache-2.0
// The daemon's command line.
#pragma once

#include <string>
#include <variant>
#include <vector>

namespace volumecrypt::bus {

enum class LauncherKind { Automatic, Child, Systemd };

struct DaemonOptions {
    std::string root;
    std::vector<std::string> configDirs;
    std::string engine;
    LauncherKind launcher = LauncherKind::Automatic;
};

// The options, or the exit status after help, version or a usage error has been printed.
std::variant<DaemonOptions, int> parseDaemonOptions(int argc, const char *const *argv);

}  // namespace volumecrypt::bus
