// SPDX-License-Identifier: Apache-2.0
// help: `help COMMAND` is `COMMAND --help`.
#include <string>

#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/session.h"
#include "cli/text.h"

namespace volumecrypt::cli {
namespace {

int runHelp(const Arguments &arguments) {
    const std::string &topic = arguments.topic;
    if (!topic.empty() && findCommand(topic) == nullptr)
        return reportUsage("there is no command " + printable(topic),
                           "`volumecryptctl --help` lists them.");
    std::vector<std::string> words{"--help"};
    if (!topic.empty()) words.insert(words.begin(), topic);
    return leave(std::get<Leave>(parseCommandLine(words)));
}

Parameters takesTopic() {
    return {{.name = "COMMAND", .help = "", .target = &Arguments::topic, .offer = Offer::Commands}};
}

}  // namespace

std::span<const Command> helpCommands() {
    static constexpr std::array rows{Command{.group = kShow,
                                             .name = "help",
                                             .help = "Print this help, or that of a command",
                                             .takes = takesTopic,
                                             .run = runHelp}};
    return rows;
}

}  // namespace volumecrypt::cli
