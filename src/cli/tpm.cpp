// SPDX-License-Identifier: Apache-2.0
// Handing over to the engine.
#include "cli/tpm.h"

#include <cerrno>
#include <vector>

#include <build_config.h>
#include <unistd.h>

#include "cli/session.h"

namespace volumecrypt::cli {

int runTpm(const Arguments &arguments) {
    std::vector<std::string> words{VOLUMECRYPT_LIBEXECDIR "/volumecrypt-engine", "tpm"};
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

}  // namespace volumecrypt::cli
