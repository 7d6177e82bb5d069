// SPDX-License-Identifier: Apache-2.0
// Connects and hands over to the command.
#include "cli/commands.h"

#include <algorithm>
#include <array>
#include <optional>

#include <unistd.h>

#include "cli/check.h"
#include "cli/commands_change.h"
#include "cli/commands_meta.h"
#include "cli/commands_show.h"
#include "cli/commands_unlock.h"
#include "cli/exit_code.h"
#include "cli/polkit_agent.h"
#include "cli/tpm.h"

namespace volumecrypt::cli {
namespace {

int dispatch(Session &session) {
    switch (session.arguments().command) {
        case Command::List:
            return runList(session);
        case Command::Status:
            return runStatus(session);
        case Command::Plan:
            return runPlan(session);
        case Command::Keys:
            return runKeys(session);
        case Command::Jobs:
            return runJobs(session);
        case Command::Watch:
            return runWatch(session);
        case Command::Tpm:
            break;  // needs no service: see run
        case Command::Apply:
            return runApply(session);
        case Command::Reload:
            return runReload(session);
        case Command::Unlock:
            return runUnlock(session);
        case Command::Lock:
            return runLock(session);
        case Command::Sync:
            return runSync(session);
        case Command::AddKey:
            return runAddKey(session);
        case Command::RemoveKey:
            return runRemoveKey(session);
        case Command::RotateKey:
            return runRotateKey(session);
        case Command::Grow:
            return runGrow(session);
        case Command::Cancel:
            return runCancel(session);
        case Command::Format:
        case Command::Wipe:
        case Command::Erase:
        case Command::Forget:
            return runConfirmed(session);
        case Command::Meta:
        case Command::Check:
        case Command::Help:  // answered by the command line
            break;
    }
    return kExitUsage;
}

// Reading needs none: no agent has to be started for it.
bool needsAuthorisation(Command command) {
    constexpr std::array kFree{Command::List, Command::Status, Command::Keys, Command::Jobs,
                               Command::Watch};
    return std::find(kFree.begin(), kFree.end(), command) == kFree.end();
}

// A bus that was named must be there.
bool mayDoWithoutBus(const Arguments &arguments) {
    return arguments.command == Command::Unlock && arguments.address.empty() &&
           (::geteuid() == 0 || !arguments.engine.empty());
}

}  // namespace

int run(const Arguments &arguments) {
    if (arguments.command == Command::Tpm) return runTpm(arguments);
    // Not on the bus: META is for root, and for machines that do not get that far.
    if (arguments.command == Command::Meta) return runMeta(arguments);
    // For a machine whose service does not run yet, and before the service is told.
    if (arguments.command == Command::Check) return runCheck(arguments);
    const bool interactive = arguments.ask.value_or(::isatty(STDIN_FILENO) == 1);
    auto client = Client::connect(arguments.address, interactive);
    if (!client && mayDoWithoutBus(arguments)) return runUnlockWithoutBus(arguments);
    if (!client) return reportError(arguments, arguments.volume, client.error());
    std::optional<PolkitAgent> agent;
    if (interactive && !arguments.json && needsAuthorisation(arguments.command)) agent.emplace();
    Session session(arguments, std::move(*client));
    return dispatch(session);
}

}  // namespace volumecrypt::cli
