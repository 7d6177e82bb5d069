// SPDX-License-Identifier: Apache-2.0
// lock, grow, encrypt, decrypt, and what destroys data: format, wipe, erase, forget.
#include <array>
#include <charconv>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <span>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/parameters.h"
#include "cli/secrets.h"
#include "cli/session.h"
#include "cli/text.h"

namespace volumecrypt::cli {
namespace {

using base::ErrorCode;

// What somebody must know before confirming, of a device.
using Warning = std::string (*)(const std::string &device);

// Confirmed by --confirm or by typing the ID; an exit code when it is not.
std::optional<int> refused(Session &session, Warning warning) {
    const Arguments &arguments = session.arguments();
    if (arguments.confirm) {
        if (*arguments.confirm == arguments.volume) return std::nullopt;
        return reportUsage("--confirm is not the volume's ID",
                           "It must be " + printable(arguments.volume) + ".");
    }
    auto person = session.person();
    if (!person)
        return reportUsage(std::string(arguments.command->name) + " must be confirmed",
                           "Add --confirm=" + printable(arguments.volume) + ".");
    const auto volume = session.client().volume(arguments.volume);
    if (!volume) return failed(session, volume.error());
    const std::string device = volume->device.empty() ? "its device" : volume->device;
    person->say(printable(warning(device)) + "\n");
    const auto typed = person->askLine("Type " + printable(arguments.volume) + " to go on: ");
    if (!typed) return failed(session, typed.error());
    if (*typed == arguments.volume) return std::nullopt;
    return failed(session, {ErrorCode::Cancelled, "not confirmed, nothing was done"});
}

// `method` starts the job once it is confirmed.
int runConfirmed(Session &session, const char *method, Warning warning,
                 std::vector<std::string> flags = {}) {
    if (const auto code = refused(session, warning)) return *code;
    const std::string &id = session.arguments().volume;
    return session.finish(
        session.client().start(id, method, {.confirm = id, .flags = std::move(flags)}), id);
}

// Locking STATE takes down what has no key without it. Empty for others, and when it cannot be
// found out.
std::set<std::string> unlockedBesides(Session &session, const std::string &id) {
    std::set<std::string> unlocked;
    if (id != "STATE") return unlocked;
    if (const auto volumes = session.client().volumes())
        for (const auto &volume : *volumes)
            if (volume.id != id && volume.isOpen()) unlocked.insert(volume.id);
    return unlocked;
}

// Those of `before` that are locked now.
std::vector<std::string> lockedOf(Session &session, const std::set<std::string> &before) {
    std::vector<std::string> locked;
    for (const auto &id : before) {
        const auto volume = session.client().volume(id);
        if (volume && volume->state == "locked") locked.push_back(id);
    }
    return locked;
}

int runLock(Session &session) {
    const std::string &id = session.arguments().volume;
    const auto before = unlockedBesides(session, id);
    const auto done = session.client().lock(id);
    if (!done) return failed(session, done.error());
    const auto taken = lockedOf(session, before);
    std::string sentence = id + ": locked";
    if (!taken.empty())
        sentence += fmt::format(", and with it, since all their keys are locked to it: {}",
                                fmt::join(taken, ", "));
    session.result(sentence, fmt::format("{}", fmt::join(taken, "\n")),
                   {{"volume", id}, {"alsoLocked", taken}});
    return kExitDone;
}

int runGrow(Session &session) {
    const Arguments &arguments = session.arguments();
    const auto secret = givenSecret(session);
    if (!secret) return failed(session, secret.error());
    return session.finish(session.client().start(arguments.volume, "Grow", {.secret = &*secret}),
                          arguments.volume);
}

int runEncrypt(Session &session) {
    const Arguments &arguments = session.arguments();
    const auto secret = givenSecret(session);
    if (!secret) return failed(session, secret.error());
    return session.finish(session.client().start(arguments.volume, "Encrypt",
                                                 {.rate = arguments.rate, .secret = &*secret}),
                          arguments.volume);
}

int runRotateVolumeKey(Session &session) {
    const Arguments &arguments = session.arguments();
    const auto secret = givenSecret(session);
    if (!secret) return failed(session, secret.error());
    return session.finish(session.client().start(arguments.volume, "RotateVolumeKey",
                                                 {.rate = arguments.rate, .secret = &*secret}),
                          arguments.volume);
}

// No key is declared: whoever can be asked is asked. At the very end none is needed, so that the
// service is asked even without.
base::Result<base::UniqueFd> secretForPlain(Session &session) {
    auto person = personAt(session.arguments());
    if (session.arguments().secretFile || !person) return givenSecret(session);
    VC_TRY(session.mayType());
    return secretFromPerson(*person, session.arguments().volume);
}

int runDecrypt(Session &session) {
    const Arguments &arguments = session.arguments();
    const auto secret = secretForPlain(session);
    if (!secret) return failed(session, secret.error());
    return session.finish(session.client().start(arguments.volume, "Decrypt",
                                                 {.rate = arguments.rate, .secret = &*secret}),
                          arguments.volume);
}

int runFormat(Session &session) {
    std::vector<std::string> flags;
    if (session.arguments().force) flags.emplace_back("force");
    return runConfirmed(
        session, "Format",
        [](const std::string &device) {
            return "This makes a new, empty encrypted volume on " + device +
                   ": what is on it is lost.";
        },
        std::move(flags));
}

int runWipe(Session &session) {
    return runConfirmed(session, "Wipe", [](const std::string &device) {
        return "This makes " + device + " blank: what is on it is lost.";
    });
}

int runErase(Session &session) {
    return runConfirmed(session, "Erase", [](const std::string &device) {
        return "This destroys every key slot of " + device +
               ": what is on it is lost for good, unless somebody has a backup of the header.";
    });
}

int runForget(Session &session) {
    return runConfirmed(session, "Forget", [](const std::string &) {
        return std::string(
            "This forgets which volume this was: whatever is in its place at the next unlock is "
            "accepted, or, if blank, formatted.");
    });
}

Parameters takesGrow() {
    return {volume(),
            secretFile("Open the volume with the passphrase in this file (- is standard input), "
                       "every byte of it: for when no declared key opens it")};
}

Parameters takesDecrypt() {
    return {volume(), rate(),
            secretFile("Open the volume with the passphrase in this file (- is standard input), "
                       "every byte of it, instead of asking for one")};
}

Parameters takesEncrypt() {
    return {volume(), rate(),
            secretFile("Go on by the passphrase in this file (- is standard input), every byte of "
                       "it: for when no declared key opens what is encrypted in part")};
}

Parameters takesRotateVolumeKey() {
    return {volume(), rate(),
            secretFile("The passphrase in this file (- is standard input), every byte of it, opens "
                       "the volume, or is that of a key that is not declared")};
}

Parameters takesConfirm() {
    return {volume(), confirm()};
}

Parameters takesFormat() {
    return {volume(), confirm(),
            flag("--force", &Arguments::force, "Even over content that was found")};
}

}  // namespace

std::span<const Command> volumeCommands() {
    static constexpr std::array rows{
        Command{.group = kChangeVolumes,
                .name = "lock",
                .help = "Unmount and lock a volume",
                .takes = takesVolume,
                .run = runLock},
        Command{.group = kChangeVolumes,
                .name = "grow",
                .help = "Let a volume in use follow its device, which became larger",
                .takes = takesGrow,
                .run = runGrow},
        Command{.group = kChangeVolumes,
                .name = "encrypt",
                .help = "Encrypt the file system of a plain volume where it is; its data stays",
                .takes = takesEncrypt,
                .run = runEncrypt},
        Command{.group = kChangeVolumes,
                .name = "decrypt",
                .help = "Decrypt a volume that is declared plain where it is; its data stays",
                .takes = takesDecrypt,
                .run = runDecrypt},
        Command{.group = kChangeVolumes,
                .name = "rotate-volume-key",
                .help = "Encrypt the data of a locked volume anew under a new volume key",
                .takes = takesRotateVolumeKey,
                .run = runRotateVolumeKey},
        Command{.group = kChangeVolumes,
                .name = "format",
                .help = "Make a new, empty encrypted volume; what was on it is lost",
                .takes = takesFormat,
                .run = runFormat},
        Command{.group = kChangeVolumes,
                .name = "wipe",
                .help = "Make the device blank, to be provisioned anew; its data is lost",
                .takes = takesConfirm,
                .run = runWipe},
        Command{.group = kChangeVolumes,
                .name = "erase",
                .help = "Destroy every key slot; the data is lost for good",
                .takes = takesConfirm,
                .run = runErase},
        Command{.group = kChangeVolumes,
                .name = "forget",
                .help = "Forget which volume this was, so that another is accepted in its place",
                .takes = takesConfirm,
                .run = runForget}};
    return rows;
}

}  // namespace volumecrypt::cli
