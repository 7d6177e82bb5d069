// SPDX-License-Identifier: Apache-2.0
// meta: the `meta` member of the engine's `inspect STATE`, which holds no secret. It asks the
// engine without the service: META is for root, and for machines that do not get that far.
#include <array>
#include <span>
#include <string>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/engine.h"
#include "cli/exit_code.h"
#include "cli/parameters.h"
#include "cli/session.h"
#include "cli/text.h"
#include "cli/volume_json.h"

namespace volumecrypt::cli {
namespace {

using base::ErrorCode;
using Json = nlohmann::json;

base::Result<Json> readMeta(const Arguments &arguments) {
    VC_ASSIGN(const Json line, runEngine(arguments, {"inspect", "STATE"}));
    if (!line.contains("meta")) return base::fail(ErrorCode::Internal, "the engine gave no answer");
    if (line["meta"].is_null())
        return base::fail(ErrorCode::NotFound, "this machine has no META",
                          "META is the partition of that GPT label on the disk of STATE, or what "
                          "volume.meta of STATE names.");
    return line["meta"];
}

std::string render(const Json &tags) {
    if (tags.empty()) return "META is empty.\n";
    std::string text;
    for (const Json &tag : tags) {
        const std::string value =
            tag.at("value").is_string()
                ? printable(tag.at("value").get<std::string>())
                : fmt::format("({} bytes, hidden)", tag.at("size").get<int>());
        text += fmt::format("{:>3}  {:<28} {}\n", tag.at("tag").get<unsigned>(),
                            tag.at("name").get<std::string>(), value);
    }
    return text;
}

int runMeta(const Arguments &arguments) {
    const auto tags = readMeta(arguments);
    if (!tags) return reportError(arguments, "", tags.error());
    print(arguments.json ? jsonDocument(*tags) : render(*tags));
    return kExitDone;
}

Parameters takesEngine() {
    return {engine()};
}

}  // namespace

std::span<const Command> metaCommands() {
    static constexpr std::array rows{
        Command{.group = kShow,
                .name = "meta",
                .help = "Show what META keeps, passphrases and tokens left out",
                .takes = takesEngine,
                .run = runMeta}};
    return rows;
}

}  // namespace volumecrypt::cli
