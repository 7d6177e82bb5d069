// SPDX-License-Identifier: Apache-2.0
// Runs the engine as a child whose last JSON line is the answer.
#include "cli/engine.h"

#include <sstream>

#include <build_config.h>
#include <unistd.h>

#include "base/child_process.h"
#include "base/foreign_json.h"

namespace volumecrypt::cli {
namespace {

using base::ErrorCode;
using Json = nlohmann::json;

Json lastLine(const std::string &output) {
    Json last;
    std::istringstream lines(output);
    for (std::string line; std::getline(lines, line);)
        if (auto parsed = base::parseForeignJson(line); parsed.is_object()) last = parsed;
    return last;
}

template <typename T>
T member(const Json &line, const char *name, T otherwise) {
    const auto found = line.find(name);
    return found == line.end() || found->is_null() ? otherwise : found->get<T>();
}

}  // namespace

std::string enginePath(const Arguments &arguments) {
    return arguments.engine.empty() ? VOLUMECRYPT_LIBEXECDIR "/volumecrypt-engine"
                                    : arguments.engine;
}

base::Result<Json> runEngine(const Arguments &arguments, std::vector<std::string> words,
                             const base::UniqueFd &secret) {
    if (arguments.engine.empty() && ::geteuid() != 0)
        return base::fail(ErrorCode::NotAuthorized,
                          "only root may do this: it looks at devices itself",
                          "Run the command as root, with sudo for instance.");
    words.insert(words.begin(), enginePath(arguments));
    words.insert(words.end(), {"--output", "json"});
    if (secret.valid()) words.insert(words.end(), {"--secret-fd", "0"});
    VC_ASSIGN(const base::ChildOutcome outcome, base::runProgram(words, secret.get()));
    Json line = lastLine(outcome.output);
    if (!line.is_object())
        return base::fail(
            ErrorCode::Internal, "the engine gave no answer",
            "Run it by hand to see what it says: " + words.at(0) + " " + words.at(1) + ".");
    if (member<std::string>(line, "type", "") == "error") return base::fail(base::errorIn(line));
    return line;
}

}  // namespace volumecrypt::cli
