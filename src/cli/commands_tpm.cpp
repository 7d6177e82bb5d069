// SPDX-License-Identifier: Apache-2.0
// tpm: becomes the engine, since the service has no access to the TPM, and needs none.
#include <array>
#include <cerrno>
#include <span>
#include <string>
#include <vector>

#include <unistd.h>

#include "cli/commands.h"
#include "cli/engine.h"
#include "cli/parameters.h"
#include "cli/session.h"

namespace volumecrypt::cli {
namespace {

base::Error notRoot() {
    return {base::ErrorCode::NotAuthorized,
            "only root may ask the TPM and read the volumes' headers",
            "Run the command as root, with sudo for instance."};
}

// Returns only when it fails.
int runTpm(const Arguments &arguments) {
    if (::geteuid() != 0) return reportError(arguments, arguments.volume, notRoot());
    std::vector<std::string> words{enginePath(arguments), "tpm"};
    if (!arguments.volume.empty()) words.push_back(arguments.volume);
    if (arguments.json) words.insert(words.end(), {"--output", "json"});
    std::vector<char *> pointers;
    pointers.reserve(words.size() + 1);
    for (std::string &word : words) pointers.push_back(word.data());
    pointers.push_back(nullptr);
    ::execv(pointers.front(), pointers.data());
    return reportError(arguments, arguments.volume,
                       base::errnoError("run " + words.front(), errno));
}

}  // namespace

std::span<const Command> tpmCommands() {
    static constexpr std::array rows{
        Command{.group = kShow,
                .name = "tpm",
                .help = "Show the TPM, and whether it would open the volumes now; for root",
                .takes = takesAnyVolume,
                .run = runTpm}};
    return rows;
}

}  // namespace volumecrypt::cli
