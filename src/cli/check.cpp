// SPDX-License-Identifier: Apache-2.0
// Reads the configuration as the generator does, as far as the units, and writes nothing.
#include "cli/check.h"

#include <cstdio>

#include <build_config.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include "cli/exit_code.h"
#include "cli/render.h"
#include "cli/session.h"
#include "cli/text.h"
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

// FILE:LINE:COLUMN: error: MESSAGE, which editors know how to follow.
std::string line(const ConfigProblem &problem, std::string_view level, Colour colour,
                 const Style &style) {
    const std::string text = problemText(problem);
    const std::string place = text.substr(0, text.size() - printable(problem.message).size());
    return place + style.paint(colour, level) + ": " + printable(problem.message) + "\n";
}

std::string lines(const std::vector<ConfigProblem> &errors,
                  const std::vector<ConfigProblem> &warnings, const Style &style) {
    std::string text;
    for (const auto &problem : errors) text += line(problem, "error", Colour::Red, style);
    for (const auto &problem : warnings) text += line(problem, "warning", Colour::Yellow, style);
    return text;
}

std::string summary(const Findings &findings) {
    if (const auto count = findings.errors.size(); count != 0)
        return fmt::format("The configuration has {} error{}.\n", count, count == 1 ? "" : "s");
    if (findings.volumes.empty()) return "The configuration declares no volume.\n";
    return fmt::format("The configuration is valid. It declares {}.\n",
                       fmt::join(findings.volumes, ", "));
}

}  // namespace

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
        print(lines(findings.errors, findings.warnings, style) +
              (style.terminal ? summary(findings) : ""));
    return findings.errors.empty() ? kExitDone : kExitError;
}

void showProblems(const Arguments &arguments, const ServiceInfo &service, const Style &style) {
    if (!arguments.json) {
        const std::string text = lines(service.problems, service.warnings, style);
        (void)std::fwrite(text.data(), 1, text.size(), stderr);
        return;
    }
    const auto show = [](const ConfigProblem &problem, const char *level) {
        nlohmann::json object = toJson(problem);
        object.update({{"type", "problem"}, {"level", level}});
        print(jsonLine(object));
    };
    for (const auto &problem : service.problems) show(problem, "error");
    for (const auto &problem : service.warnings) show(problem, "warning");
}

}  // namespace volumecrypt::cli
