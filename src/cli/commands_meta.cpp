// SPDX-License-Identifier: Apache-2.0
// The `meta` member of the engine's `inspect STATE`, which holds no secret.
#include "cli/commands_meta.h"

#include <sstream>
#include <string>

#include <build_config.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "base/child_process.h"
#include "base/foreign_json.h"
#include "cli/exit_code.h"
#include "cli/session.h"
#include "cli/text.h"
#include "cli/volume_json.h"

namespace volumecrypt::cli {
namespace {

using base::ErrorCode;
using Json = nlohmann::json;

// The engine's last line.
Json lastLine(const std::string &output) {
    Json last;
    std::istringstream lines(output);
    for (std::string line; std::getline(lines, line);)
        if (auto parsed = base::parseForeignJson(line); parsed.is_object()) last = parsed;
    return last;
}

base::Result<Json> readMeta(const Arguments &arguments) {
    const std::string engine =
        arguments.engine.empty() ? VOLUMECRYPT_LIBEXECDIR "/volumecrypt-engine" : arguments.engine;
    if (arguments.engine.empty() && ::geteuid() != 0)
        return base::fail(ErrorCode::NotAuthorized, "only root may read META",
                          "Run it as root: `sudo volumecryptctl meta`.");
    VC_ASSIGN(const base::ChildOutcome outcome,
              base::runProgram({engine, "inspect", "STATE", "--output", "json"}));
    const Json line = lastLine(outcome.output);
    if (line.is_object() && line.value("type", "") == "error")
        return base::fail(base::errorFromName(line.value("code", "")).value_or(ErrorCode::Internal),
                          line.value("message", ""), line.value("hint", ""));
    if (!line.is_object() || !line.contains("meta"))
        return base::fail(ErrorCode::Internal, "the engine gave no answer");
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

}  // namespace

int runMeta(const Arguments &arguments) {
    const auto tags = readMeta(arguments);
    if (!tags) return reportError(arguments, "", tags.error());
    print(arguments.json ? jsonDocument(*tags) : render(*tags));
    return kExitDone;
}

}  // namespace volumecrypt::cli
