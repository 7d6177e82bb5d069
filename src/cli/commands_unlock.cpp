// SPDX-License-Identifier: Apache-2.0
// unlock: declared keys first, then a person, who may try three times. By the service, or by the
// engine where the machine has no bus yet.
#include <array>
#include <cerrno>
#include <cstdio>
#include <functional>
#include <span>
#include <string>

#include <fmt/format.h>
#include <unistd.h>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/engine.h"
#include "cli/exit_code.h"
#include "cli/parameters.h"
#include "cli/recovery.h"
#include "cli/secrets.h"
#include "cli/session.h"
#include "cli/text.h"
#include "model/system_paths.h"
#include "model/volume_id.h"

namespace volumecrypt::cli {
namespace {

using base::ErrorCode;
using base::Result;
using base::UniqueFd;

constexpr int kPassphraseAttempts = 3;

struct Door {
    // Before a person types: whether this is of any use.
    std::function<base::Status()> mayType;
    // The mapping; the secret may be invalid: only the declared keys.
    std::function<Result<std::string>(const UniqueFd &secret)> open;
};

bool wrongKey(const base::Error &error) {
    return error.code == ErrorCode::NoUsableKey || error.code == ErrorCode::KeyRejected;
}

// A key that a person has may open the volume, where the machine's own do not.
bool needsPerson(const base::Error &error) {
    return wrongKey(error) || base::isKeyWithheld(error.code);
}

// Asks until one fits, the person gives up, or three did not fit.
Result<std::string> unlockByPerson(const Arguments &arguments, const Door &door,
                                   Terminal &terminal) {
    const std::string &id = arguments.volume;
    for (int attempt = 1;; ++attempt) {
        VC_ASSIGN(const UniqueFd secret, arguments.recovery ? askRecoveryKey(terminal, id)
                                                            : secretFromPerson(terminal, id));
        auto mapping = door.open(secret);
        if (mapping || !wrongKey(mapping.error()) || attempt == kPassphraseAttempts) return mapping;
        terminal.say("It does not fit.\n");
    }
}

Result<std::string> unlock(const Arguments &arguments, const Door &door) {
    auto person = personAt(arguments);
    if (arguments.passphrase || arguments.recovery) {
        if (!person) return base::fail(noTerminal());
        VC_TRY(door.mayType());
        return unlockByPerson(arguments, door, *person);
    }
    UniqueFd secret;
    if (arguments.secretFile) {
        if (isTyped(*arguments.secretFile)) VC_TRY(door.mayType());
        VC_ASSIGN(secret, secretFromFile(*arguments.secretFile));
    }
    auto mapping = door.open(secret);
    const bool ask = !mapping && needsPerson(mapping.error()) && !arguments.secretFile && person;
    if (!ask) return mapping;
    person->say(printable(mapping.error().message) + "\n");
    return unlockByPerson(arguments, door, *person);
}

// What the service does when it is told to unlock: else the next one would keep the volume locked.
void forgetLock(const Arguments &arguments) {
    const auto id = model::VolumeId::parse(arguments.volume);
    if (!id) return;
    const std::string mark = model::SystemPaths(arguments.root).lockMark(*id);
    if (::unlink(mark.c_str()) == 0 || errno == ENOENT) return;
    const auto error = base::errnoError("remove " + mark, errno);
    (void)std::fprintf(stderr, "volumecryptctl: %s: it is still taken for locked on purpose: %s\n",
                       id->text().c_str(), error.message.c_str());
}

Result<std::string> attach(const Arguments &arguments, const UniqueFd &secret) {
    VC_ASSIGN(const nlohmann::json line,
              runEngine(arguments, {"attach", arguments.volume}, secret));
    if (line.value("state", "") != "unlocked") return std::string();
    return "/dev/mapper/luks2-" + arguments.volume;
}

int runUnlock(Session &session) {
    const std::string &id = session.arguments().volume;
    const Door door{
        .mayType = [&] { return session.mayType(); },
        .open = [&](const UniqueFd &secret) { return session.client().unlock(id, secret); }};
    const auto mapping = unlock(session.arguments(), door);
    if (!mapping) return failed(session, mapping.error());
    session.result(fmt::format("{}: unlocked as {}", id, *mapping), *mapping,
                   {{"volume", id}, {"mapping", *mapping}});
    return kExitDone;
}

// In the emergency shell there is no bus. Opens the volume and leaves mounting to systemd.
int runUnlockWithoutBus(const Arguments &arguments) {
    const std::string &id = arguments.volume;
    forgetLock(arguments);
    const Door door{.mayType = [] { return base::Status(); },
                    .open = [&](const UniqueFd &secret) { return attach(arguments, secret); }};
    const auto mapping = unlock(arguments, door);
    if (!mapping) return reportError(arguments, id, mapping.error());
    const std::string what = mapping->empty() ? "it is not encrypted" : "unlocked as " + *mapping;
    printResult(arguments,
                fmt::format("{}: {}. Without a bus nothing was mounted: `systemctl default` goes "
                            "on with the boot.",
                            id, what),
                *mapping, {{"volume", id}, {"mapping", *mapping}});
    return kExitDone;
}

Parameters takesUnlock() {
    return {
        volume(), engine(),
        secretFile("Try the passphrase in this file too (- is standard input), every byte of it"),
        flag("--passphrase", &Arguments::passphrase,
             "Ask for a passphrase at once, not only when no declared key fits", {"--secret-file"}),
        flag("--recovery", &Arguments::recovery,
             "Ask for a recovery key; capitals and missing dashes do not matter",
             {"--secret-file", "--passphrase"})};
}

}  // namespace

std::span<const Command> unlockCommands() {
    static constexpr std::array rows{
        Command{.group = kChangeVolumes,
                .name = "unlock",
                .help = "Unlock a volume with its declared keys, and mount it",
                .takes = takesUnlock,
                .run = runUnlock,
                .runWithoutBus = runUnlockWithoutBus}};
    return rows;
}

}  // namespace volumecrypt::cli
