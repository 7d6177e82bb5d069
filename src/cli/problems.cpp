// SPDX-License-Identifier: Apache-2.0
// As compilers put it, with colours where somebody looks.
#include "cli/problems.h"

#include <cstdio>
#include <string_view>

#include <nlohmann/json.hpp>

#include "cli/render.h"
#include "cli/session.h"
#include "cli/text.h"
#include "cli/volume_json.h"

namespace volumecrypt::cli {
namespace {

std::string line(const ConfigProblem &problem, std::string_view level, Colour colour,
                 const Style &style) {
    const std::string text = problemText(problem);
    const std::string place = text.substr(0, text.size() - printable(problem.message).size());
    return place + style.paint(colour, level) + ": " + printable(problem.message) + "\n";
}

}  // namespace

std::string problemLines(const std::vector<ConfigProblem> &errors,
                         const std::vector<ConfigProblem> &warnings, const Style &style) {
    std::string text;
    for (const auto &problem : errors) text += line(problem, "error", Colour::Red, style);
    for (const auto &problem : warnings) text += line(problem, "warning", Colour::Yellow, style);
    return text;
}

void showProblems(const Arguments &arguments, const ServiceInfo &service, const Style &style) {
    if (!arguments.json) {
        const std::string text = problemLines(service.problems, service.warnings, style);
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
