// SPDX-License-Identifier: Apache-2.0
// volumecrypt-generator: turns the configuration into units before systemd loads any. Its failure
// must never be the boot's: what cannot be understood is reported and left out.
#include <cstdlib>
#include <exception>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include <sys/stat.h>

#include <CLI/CLI.hpp>
#include <unistd.h>

#include "base/files.h"
#include "build_config.h"
#include "config/last_good.h"
#include "config/loader.h"
#include "generator/output.h"
#include "generator/report.h"
#include "model/names.h"
#include "units/volume_units.h"

namespace volumecrypt::generator {
namespace {

constexpr int kExitError = 1;
constexpr int kExitUsage = 64;

struct Options {
    std::string root;
    std::vector<std::string> configDirs;
    std::vector<std::string> directories;  // normal, early, late
};

bool exists(const std::string &path) {
    return ::access(path.c_str(), F_OK) == 0;
}

// Why there is nothing to do on this system; empty: there is.
std::string_view reasonToStop(const model::SystemPaths &paths) {
    const char *initrd = std::getenv("SYSTEMD_IN_INITRD");
    const bool inInitrd = initrd != nullptr ? std::string_view(initrd) == "1"
                                            : exists(paths.below("/etc/initrd-release"));
    if (inInitrd) return "in an initrd";
    // There are no device units that our units could wait for.
    if (exists(paths.below("/run/systemd/container"))) return "in a container";
    return {};
}

std::string located(const model::SourcePosition &position, const std::string &message) {
    return config::Problem{.position = position, .message = message}.text();
}

void reportProblems(Report &report, const config::Configuration &configuration) {
    for (const config::Problem &problem : configuration.problems)
        report.say(
            problem.level == config::Level::Error ? base::Severity::Error : base::Severity::Warning,
            problem.text());
}

void reportRefusals(Report &report, const config::Configuration &configuration,
                    const std::vector<units::Refusal> &refusals) {
    for (const units::Refusal &refusal : refusals) {
        const model::VolumeSpec *volume = configuration.find(refusal.volume);
        std::string message =
            "volume " + refusal.volume.text() + " gets no units: " + refusal.error.message;
        if (!refusal.error.hint.empty()) message += ". " + refusal.error.hint;
        report.say(base::Severity::Error,
                   volume != nullptr ? located(volume->position, message) : message);
    }
}

// A reload must not take the units of an open volume away because of a slip in its document.
void useLastGood(const model::SystemPaths &paths, config::Configuration &configuration,
                 Report &report) {
    const auto isOpen = [&paths](const model::VolumeId &id) {
        return exists(paths.below(model::mappingPath(id)));
    };
    // Newer systemds give generators a /run that cannot be written to; then the daemon does it.
    if (const auto kept = config::keepLastGood(paths, configuration, isOpen); !kept)
        report.say(base::Severity::Info, kept.error().message);
    config::addLastGood(paths, isOpen, configuration);
}

int generate(const Options &options, Report &report) {
    const model::SystemPaths paths(options.root, options.configDirs);
    if (!reasonToStop(paths).empty()) return 0;
    config::Configuration configuration = config::load(paths, config::Secrets::Drop);
    useLastGood(paths, configuration, report);
    reportProblems(report, configuration);
    const units::GeneratedUnits generated = units::generateUnits(
        configuration.volumes,
        {.own = VOLUMECRYPT_SYSTEMUNITDIR, .vendor = VOLUMECRYPT_VENDORUNITDIR},
        [](const std::string &path) {
            const auto walk = base::walkLinks(path);
            return walk ? walk->target : path;
        });
    reportRefusals(report, configuration, generated.refusals);
    int status = 0;
    for (const units::UnitFile &file : generated.files)
        if (const auto written = writeUnit(options.directories.front(), file); !written) {
            report.say(base::Severity::Error,
                       written.error().message + ". " + written.error().hint);
            status = kExitError;
        }
    return status;
}

int run(int argc, char **argv, Report &report) {
    CLI::App app("Makes the units of the declared volumes; systemd runs it.",
                 "volumecrypt-generator");
    Options options;
    app.set_version_flag("--version", std::string("volumecrypt-generator ") + VOLUMECRYPT_VERSION);
    app.add_option("--root", options.root, "prefix of every system path that is read");
    // One argument each: the directories follow without a separator.
    app.add_option("--config-dir", options.configDirs,
                   "configuration directory, replaces the default ones; may be repeated, the first "
                   "hides later ones")
        ->allow_extra_args(false);
    app.add_option("DIRECTORY", options.directories,
                   "where the units go; systemd names two more, for units that come earlier or "
                   "later, which stay empty")
        ->required()
        ->expected(1, 3);
    app.footer(
        "Exit status: 0 done, also when the configuration has errors; 1 a unit could not be "
        "written; 64 wrong usage.\n");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError &error) {
        if (error.get_exit_code() == 0) return app.exit(error);
        report.say(base::Severity::Error, error.what());
        return kExitUsage;
    }
    return generate(options, report);
}

}  // namespace
}  // namespace volumecrypt::generator

int main(int argc, char **argv) {
    using namespace volumecrypt::generator;
    (void)::umask(022);
    Report report;
    try {
        return run(argc, argv, report);
    } catch (const std::exception &exception) {
        report.say(volumecrypt::base::Severity::Error,
                   std::string("unexpected exception: ") + exception.what());
        return kExitError;
    }
}
