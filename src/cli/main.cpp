// SPDX-License-Identifier: Apache-2.0
// volumecryptctl: the command line of the service.
#include <clocale>
#include <cstdio>
#include <exception>
#include <string>
#include <variant>
#include <vector>

#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/exit_code.h"

namespace {

using namespace volumecrypt;

// A full disk or a closed pipe must not look like success.
int withOutputChecked(int code) {
    if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return code;
    (void)std::fputs("volumecryptctl: cannot write to standard output\n", stderr);
    return code == cli::kExitDone ? cli::kExitError : code;
}

}  // namespace

int main(int argc, char **argv) {
    try {
        (void)std::setlocale(LC_CTYPE, "");  // the widths of characters; messages are not localised
        const auto parsed = cli::parseCommandLine(std::vector<std::string>(argv + 1, argv + argc));
        if (const auto *text = std::get_if<cli::Leave>(&parsed))
            return withOutputChecked(cli::leave(*text));
        return withOutputChecked(cli::run(std::get<cli::Arguments>(parsed)));
    } catch (const std::exception &error) {
        (void)std::fprintf(stderr, "volumecryptctl: %s\n", error.what());
        return cli::kExitError;
    }
}
