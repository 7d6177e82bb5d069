// SPDX-License-Identifier: Apache-2.0
// apply, reload, lock, sync, keys' changes, and what destroys data.
#include "cli/commands_change.h"

#include <algorithm>
#include <cstdio>
#include <set>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/check.h"
#include "cli/commands_recovery.h"
#include "cli/commands_unlock.h"
#include "cli/exit_code.h"
#include "cli/key_adder.h"
#include "cli/render.h"
#include "cli/text.h"
#include "cli/volume_json.h"

namespace volumecrypt::cli {
namespace {

using base::ErrorCode;
using base::Result;
using base::UniqueFd;

// What somebody must know before confirming.
std::string warning(const Session &session, const VolumeInfo &volume) {
    const std::string device = volume.device.empty() ? "its device" : volume.device;
    switch (session.arguments().command) {
        case Command::Format:
            return fmt::format(
                "This makes a new, empty encrypted volume on {}: what is on it is "
                "lost.",
                device);
        case Command::Wipe:
            return fmt::format("This makes {} blank: what is on it is lost.", device);
        case Command::Erase:
            return fmt::format(
                "This destroys every key slot of {}: what is on it is lost for "
                "good, unless somebody has a backup of the header.",
                device);
        default:
            return "This forgets which volume this was: whatever is in its place at the next "
                   "unlock is accepted, or, if blank, formatted.";
    }
}

// Confirmed by --confirm or by typing the ID; an exit code when it is not.
std::optional<int> refused(Session &session) {
    const Arguments &arguments = session.arguments();
    if (arguments.confirm) {
        if (*arguments.confirm == arguments.volume) return std::nullopt;
        return reportUsage("--confirm is not the volume's ID",
                           "It must be " + printable(arguments.volume) + ".");
    }
    auto person = session.person();
    if (!person)
        return reportUsage(arguments.name + " must be confirmed",
                           "Add --confirm=" + printable(arguments.volume) + ".");
    const auto volume = session.client().volume(arguments.volume);
    if (!volume) return failed(session, volume.error());
    person->say(printable(warning(session, *volume)) + "\n");
    const auto typed = person->askLine("Type " + printable(arguments.volume) + " to go on: ");
    if (!typed) return failed(session, typed.error());
    if (*typed == arguments.volume) return std::nullopt;
    return failed(session, {ErrorCode::Cancelled, "not confirmed, nothing was done"});
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

Result<std::string> startConfirmed(Session &session) {
    const Arguments &arguments = session.arguments();
    const std::string &id = arguments.volume;
    Client &client = session.client();
    switch (arguments.command) {
        case Command::Format:
            return client.format(id, id, arguments.force);
        case Command::Wipe:
            return client.wipe(id, id);
        case Command::Erase:
            return client.erase(id, id);
        default:
            return client.forget(id, id);
    }
}

// What --secret-file names; invalid without it.
Result<UniqueFd> givenSecret(Session &session) {
    const auto &file = session.arguments().secretFile;
    if (!file) return UniqueFd();
    if (isTyped(*file)) VC_TRY(session.mayType());
    return secretFromFile(*file);
}

int syncOne(Session &session) {
    const Arguments &arguments = session.arguments();
    const auto secret = givenSecret(session);
    if (!secret) return failed(session, secret.error());
    return session.finish(
        session.client().sync(arguments.volume,
                              {.verify = arguments.verify, .adopt = arguments.adopt}, *secret),
        arguments.volume);
}

}  // namespace

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
            session.client().sync(volume.id, {.verify = arguments.verify}), volume.id);
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

int runGrow(Session &session) {
    const Arguments &arguments = session.arguments();
    const auto secret = givenSecret(session);
    if (!secret) return failed(session, secret.error());
    return session.finish(session.client().grow(arguments.volume, *secret), arguments.volume);
}

int runCancel(Session &session) {
    const std::string &job = session.arguments().job;
    const auto done = session.client().cancel(job);
    if (!done) return failed(session, done.error());
    session.result("Job " + job + " stops at its next safe point.", "", {{"job", job}});
    return kExitDone;
}

int runConfirmed(Session &session) {
    if (const auto code = refused(session)) return *code;
    return session.finish(startConfirmed(session), session.arguments().volume);
}

}  // namespace volumecrypt::cli
