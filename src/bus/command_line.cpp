// SPDX-License-Identifier: Apache-2.0
// Parsing with CLI11; usage errors end with status 64.
#include "bus/command_line.h"

#include <iostream>
#include <map>

#include <CLI/CLI.hpp>

#include "build_config.h"

namespace volumecrypt::bus {
namespace {

constexpr int kExitUsage = 64;  // EX_USAGE of sysexits.h
constexpr const char *kFooter =
    "The daemon is started by the bus (org.example.VolumeCrypt) and talks to it until the bus\n"
    "ends or SIGTERM comes; running jobs go on without it.\n"
    "Exit status: 0 ended as asked; 1 error; 64 wrong usage.\n";

}  // namespace

std::variant<DaemonOptions, int> parseDaemonOptions(int argc, const char *const *argv) {
    CLI::App app("The VolumeCrypt service.", "volumecryptd");
    DaemonOptions options;
    options.engine = std::string(VOLUMECRYPT_LIBEXECDIR) + "/volumecrypt-engine";
    const std::map<std::string, LauncherKind> launchers{{"auto", LauncherKind::Automatic},
                                                        {"child", LauncherKind::Child},
                                                        {"systemd", LauncherKind::Systemd}};
    app.set_version_flag("--version", std::string("volumecryptd ") + VOLUMECRYPT_VERSION);
    app.add_option("--root", options.root, "prefix of every system path that is read or written");
    app.add_option("--config-dir", options.configDirs,
                   "configuration directory, replaces the default ones; may be repeated, the "
                   "first hides later ones");
    app.add_option("--engine", options.engine, "the engine program");
    app.add_option("--launcher", options.launcher,
                   "how engines are started: systemd, as transient units; child, as processes of "
                   "the daemon's; auto, by what runs")
        ->transform(CLI::CheckedTransformer(launchers));
    app.footer(kFooter);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError &error) {
        if (error.get_exit_code() == 0) return app.exit(error);
        std::cerr << "volumecryptd: " << error.what() << "\nTry 'volumecryptd --help'.\n";
        return kExitUsage;
    }
    return options;
}

}  // namespace volumecrypt::bus
