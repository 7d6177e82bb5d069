// SPDX-License-Identifier: Apache-2.0
// apply, reload, sync, add-key, remove-key, rotate-key.
#include <algorithm>
#include <array>
#include <span>
#include <vector>

#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/key_adder.h"
#include "cli/parameters.h"
#include "cli/problems.h"
#include "cli/recovery.h"
#include "cli/secrets.h"
#include "cli/session.h"
#include "cli/text.h"
#include "model/key_kind.h"

namespace volumecrypt::cli {
namespace {

using base::ErrorCode;
using base::Result;
using base::UniqueFd;

std::vector<std::string> syncFlags(const Arguments &arguments) {
    std::vector<std::string> flags;
    if (arguments.verify) flags.emplace_back("verify");
    if (arguments.adopt) flags.emplace_back("adopt");
    return flags;
}

int syncOne(Session &session) {
    const Arguments &arguments = session.arguments();
    const auto secret = givenSecret(session);
    if (!secret) return failed(session, secret.error());
    return session.finish(
        session.client().start(arguments.volume, "Sync",
                               {.flags = syncFlags(arguments), .secret = &*secret}),
        arguments.volume);
}

// A line for each volume: what failed goes where errors go.
int runApply(Session &session) {
    const Arguments &arguments = session.arguments();
    if (arguments.secretFile && arguments.volume.empty())
        return reportUsage("a passphrase opens one volume",
                           "Name it: `volumecryptctl apply ID --secret-file FILE`.");
    const auto secret = givenSecret(session);
    if (!secret) return failed(session, secret.error());
    const auto job = session.client().apply(arguments.volume, *secret);
    if (!job || session.arguments().noWait) return session.finish(job, "");
    const auto end = session.wait(*job);
    const auto results = session.client().resultsOf(*job);
    for (const auto &result : results) showResult(session, result);
    const bool told = std::any_of(results.begin(), results.end(),
                                  [](const JobResult &result) { return result.failed(); });
    const bool did = std::any_of(results.begin(), results.end(),
                                 [](const JobResult &result) { return !result.warns(); });
    // What failed was just said, volume by volume.
    if (!end && told && !session.arguments().json) return exitCodeOf(end.error());
    if (!end) return failed(session, end.error());
    const std::string sentence = did ? "apply: done" : *end;
    session.result(sentence, "", {{"job", *job}, {"message", *end}});
    return kExitDone;
}

int runReload(Session &session) {
    const auto done = session.client().reload();
    if (!done) return failed(session, done.error());
    const auto service = session.client().service();
    if (!service) return failed(session, service.error());
    showProblems(session.arguments(), *service, session.err());
    if (const auto count = service->problems.size(); count != 0) {
        base::Error error(
            ErrorCode::InvalidConfig,
            fmt::format("the configuration was read, with {} error{}", count,
                        count == 1 ? "" : "s"),
            "Correct it, try it with `volumecryptctl check`, and reload again. Volumes without an "
            "error are not concerned.");
        return failed(session, error);
    }
    session.result("The configuration was read, without an error.", "", {{"configErrors", 0}});
    return kExitDone;
}

int runSync(Session &session) {
    const Arguments &arguments = session.arguments();
    if (!arguments.volume.empty()) return syncOne(session);
    if (arguments.secretFile)
        return reportUsage("a passphrase opens one volume",
                           "Name it: `volumecryptctl sync ID --secret-file FILE`.");
    // Each is a disk that somebody has looked at.
    if (arguments.adopt)
        return reportUsage("--adopt makes one volume this machine's",
                           "Name it: `volumecryptctl sync --adopt ID`.");
    const auto volumes = session.client().volumes();
    if (!volumes) return failed(session, volumes.error());
    int code = kExitDone;
    bool any = false;
    for (const auto &volume : *volumes) {
        if (volume.state != "unlocked") continue;
        any = true;
        const int one = session.finish(
            session.client().start(volume.id, "Sync", {.flags = syncFlags(arguments)}), volume.id);
        // What will fail again outweighs what may pass.
        if (code == kExitDone || one == kExitError) code = one;
    }
    if (!any) session.result("No volume is unlocked: there is nothing to sync.", "");
    return code;
}

int runAddKey(Session &session) {
    const Arguments &arguments = session.arguments();
    if (arguments.secretFile == "-" && arguments.unlockFile == "-")
        return reportUsage("standard input holds one passphrase",
                           "Give --secret-file or --unlock-file a file.");
    if (arguments.recovery) return runAddRecoveryKey(session);
    Result<UniqueFd> secret = base::fail(noTerminal());
    if (arguments.secretFile) {
        secret = givenSecret(session);
    } else if (auto person = session.person()) {
        if (const auto may = session.mayType(); !may) return failed(session, may.error());
        auto typed = person->askNewSecret("New passphrase for " + printable(arguments.volume));
        secret = typed ? base::secretToMemfd(*typed) : base::fail(std::move(typed).error());
    }
    if (!secret) return failed(session, secret.error());
    const auto slot = addOpening(session, "passphrase", *secret,
                                 session.client().addKey(arguments.volume, "passphrase", *secret));
    if (!slot) return failed(session, slot.error());
    session.result(fmt::format("{}: the passphrase is in slot {}", arguments.volume, *slot),
                   std::to_string(*slot), {{"volume", arguments.volume}, {"slot", *slot}});
    return kExitDone;
}

int runRemoveKey(Session &session) {
    const Arguments &arguments = session.arguments();
    const auto done = session.client().removeKey(arguments.volume, arguments.slot);
    if (!done) return failed(session, done.error());
    session.result(fmt::format("{}: the key of slot {} is removed. Whoever copied the header "
                               "before can still use it on that copy.",
                               arguments.volume, arguments.slot),
                   "", {{"volume", arguments.volume}, {"slot", arguments.slot}});
    return kExitDone;
}

int runRotateKey(Session &session) {
    const Arguments &arguments = session.arguments();
    return session.finish(session.client().rotateKey(arguments.volume, arguments.slot),
                          arguments.volume);
}

Parameters takesApply() {
    return {anyVolume(),
            secretFile("Where no declared key opens the volume, open it with the passphrase in "
                       "this file (- is standard input), every byte of it; needs ID")};
}

Parameters takesSync() {
    return {anyVolume(),
            flag("--verify", &Arguments::verify,
                 "Really open every slot instead of comparing with the record"),
            flag("--adopt", &Arguments::adopt,
                 "The volume was made by another machine and is this one's from now on: its keys "
                 "are replaced and removed as declared; needs ID"),
            secretFile("Open the volume with the passphrase in this file (- is standard input), "
                       "every byte of it: for when no declared key opens it; needs ID")};
}

Parameters takesAddKey() {
    return {
        volume(),
        secretFile(
            "Read the new passphrase from this file (- is standard input), every byte of it"),
        {.name = "--unlock-file",
         .help = "Where no declared key opens the volume, open it with the passphrase in this file "
                 "(- is standard input)",
         .target = &Arguments::unlockFile,
         .value = "FILE",
         .offer = Offer::Files},
        flag("--recovery", &Arguments::recovery,
             "Make a recovery key, show it, and add it once it was typed back", {"--secret-file"})};
}

bool wasAdded(const SlotInfo &slot) {
    return model::keyKindFromName(slot.kind, &model::KeyKindRow::addable).has_value();
}

Parameters takesRemoveKey() {
    return {volume(), slot(wasAdded)};
}

bool isSealed(const SlotInfo &slot) {
    return model::keyKindFromName(slot.kind, &model::KeyKindRow::sealed).has_value();
}

Parameters takesRotateKey() {
    return {volume(), slot(isSealed)};
}

}  // namespace

std::span<const Command> keysCommands() {
    static const std::string rotateHelp =
        "Make a " + model::kindNames(&model::KeyKindRow::sealed, "or") + " key anew";
    static const std::array rows{
        Command{.group = kChangeKeys,
                .name = "apply",
                .help = "Make the machine equal to the configuration: units, mounts and keys",
                .takes = takesApply,
                .run = runApply,
                .takesNewVolumes = true},
        Command{.group = kChangeKeys,
                .name = "reload",
                .help = "Read the configuration again; changes nothing on any volume",
                .run = runReload},
        Command{.group = kChangeKeys,
                .name = "sync",
                .help = "Make key slots equal to the declared keys, online",
                .takes = takesSync,
                .run = runSync},
        Command{.group = kChangeKeys,
                .name = "add-key",
                .help = "Add a passphrase that is not declared; asks for it twice",
                .takes = takesAddKey,
                .run = runAddKey},
        Command{.group = kChangeKeys,
                .name = "remove-key",
                .help = "Remove a key made by add-key",
                .takes = takesRemoveKey,
                .run = runRemoveKey,
                .footer = "Whoever copied the header before can still use the key on that copy.\n"},
        Command{.group = kChangeKeys,
                .name = "rotate-key",
                .help = rotateHelp.c_str(),
                .takes = takesRotateKey,
                .run = runRotateKey}};
    return rows;
}

}  // namespace volumecrypt::cli
