// SPDX-License-Identifier: Apache-2.0
// check: reads the configuration as the generator does, as far as the units, and writes nothing.
#include <array>

#include <build_config.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/problems.h"
#include "cli/session.h"
#include "cli/volume_json.h"
#include "config/loader.h"
#include "units/volume_units.h"

namespace volumecrypt::cli {
namespace {

struct Findings {
    std::vector<ConfigProblem> errors;
    std::vector<ConfigProblem> warnings;
    std::vector<std::string> volumes;
};

ConfigProblem problemOf(const model::SourcePosition &position, base::ErrorCode code,
                        std::string message) {
    return {position.file, position.line, position.column, std::string(base::errorName(code)),
            std::move(message)};
}

Findings examine(const config::Configuration &configuration) {
    Findings findings;
    for (const config::Problem &problem : configuration.problems) {
        auto &list = problem.level == config::Level::Error ? findings.errors : findings.warnings;
        list.push_back(problemOf(problem.position, problem.code, problem.message));
    }
    const auto units = units::generateUnits(
        configuration.volumes,
        {.own = VOLUMECRYPT_SYSTEMUNITDIR, .vendor = VOLUMECRYPT_VENDORUNITDIR});
    for (const units::Refusal &refusal : units.refusals) {
        const model::VolumeSpec *volume = configuration.find(refusal.volume);
        std::string message =
            "volume " + refusal.volume.text() + " gets no units: " + refusal.error.message;
        if (!refusal.error.hint.empty()) message += ". " + refusal.error.hint;
        findings.errors.push_back(
            problemOf(volume != nullptr ? volume->position : model::SourcePosition{},
                      refusal.error.code, std::move(message)));
    }
    for (const model::VolumeSpec &volume : configuration.volumes)
        findings.volumes.push_back(volume.id.text());
    return findings;
}

std::string summary(const Findings &findings) {
    if (const auto count = findings.errors.size(); count != 0)
        return fmt::format("The configuration has {} error{}.\n", count, count == 1 ? "" : "s");
    if (findings.volumes.empty()) return "The configuration declares no volume.\n";
    return fmt::format("The configuration is valid. It declares {}.\n",
                       fmt::join(findings.volumes, ", "));
}

int runCheck(const Arguments &arguments) {
    const auto configuration =
        arguments.files.empty()
            ? config::load(model::SystemPaths(arguments.root, arguments.configDirs),
                           config::Secrets::Drop)
            : config::loadFiles(arguments.files, config::Secrets::Drop);
    const Findings findings = examine(configuration);
    const Style style = Style::of(STDOUT_FILENO);
    if (arguments.json)
        print(jsonDocument({{"volumes", findings.volumes},
                            {"configErrors", toJson(findings.errors)},
                            {"configWarnings", toJson(findings.warnings)}}));
    else
        print(problemLines(findings.errors, findings.warnings, style) +
              (style.terminal ? summary(findings) : ""));
    return findings.errors.empty() ? kExitDone : kExitError;
}

Parameters takesFiles() {
    return {{.name = "FILE",
             .help = "Only these files; without one, all that count",
             .target = &Arguments::files,
             .offer = Offer::Files},
            {.name = "--config-dir",
             .help = "Read this directory instead of the usual ones; may be repeated, the first "
                     "hides later ones",
             .target = &Arguments::configDirs,
             .value = "DIR",
             .offer = Offer::Folders},
            {.name = "--root",
             .help = "Read the usual directories below this one",
             .target = &Arguments::root,
             .value = "DIR",
             .offer = Offer::Folders}};
}

}  // namespace

std::span<const Command> checkCommands() {
    static constexpr std::array rows{
        Command{.group = kShow,
                .name = "check",
                .help = "Read the configuration and say what is wrong with it; asks nobody",
                .takes = takesFiles,
                .run = runCheck}};
    return rows;
}

}  // namespace volumecrypt::cli
