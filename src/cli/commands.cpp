// SPDX-License-Identifier: Apache-2.0
// Gathers the rows, connects and hands over to the command.
#include "cli/commands.h"

#include <algorithm>
#include <optional>

#include <unistd.h>

#include "cli/polkit_agent.h"
#include "cli/session.h"

namespace volumecrypt::cli {
namespace {

std::vector<const Command *> gathered() {
    std::vector<const Command *> all;
    for (const auto rows :
         {showCommands(), tpmCommands(), checkCommands(), metaCommands(), helpCommands(),
          keysCommands(), unlockCommands(), volumeCommands(), headerCommands(), jobsCommands()})
        for (const Command &row : rows) all.push_back(&row);
    return all;
}

// A bus that was named must be there.
bool mayDoWithoutBus(const Arguments &arguments) {
    return arguments.command->runWithoutBus != nullptr && arguments.address.empty() &&
           (::geteuid() == 0 || !arguments.engine.empty());
}

}  // namespace

const std::vector<const Command *> &commands() {
    static const std::vector<const Command *> all = gathered();
    return all;
}

const Command *findCommand(std::string_view name) {
    const auto found =
        std::ranges::find_if(commands(), [&](const Command *row) { return row->name == name; });
    return found == commands().end() ? nullptr : *found;
}

int run(const Arguments &arguments) {
    const Command &command = *arguments.command;
    if (!command.run.needsService()) return command.run(arguments);
    const bool interactive = arguments.ask.value_or(::isatty(STDIN_FILENO) == 1);
    auto client = Client::connect(arguments.address, interactive);
    if (!client && mayDoWithoutBus(arguments)) return command.runWithoutBus(arguments);
    if (!client) return reportError(arguments, arguments.volume, client.error());
    std::optional<PolkitAgent> agent;
    if (interactive && !arguments.json && !command.needsNoRight) agent.emplace();
    Session session(arguments, std::move(*client));
    return command.run(session);
}

}  // namespace volumecrypt::cli
