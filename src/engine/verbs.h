// SPDX-License-Identifier: Apache-2.0
// The engine's verbs: a function each, and the table from which the command line, its help and the
// program that runs them come.
#pragma once

#include <span>
#include <string_view>

#include "base/result.h"
#include "volume/reporter.h"
#include "volume/session.h"

namespace volumecrypt::engine {

// Each is given a session of which nothing is loaded yet.
base::Result<volume::Outcome> inspect(volume::Session &session);
base::Result<volume::Outcome> plan(volume::Session &session);
base::Result<volume::Outcome> attach(volume::Session &session);
base::Result<volume::Outcome> detach(volume::Session &session);
base::Result<volume::Outcome> format(volume::Session &session);
base::Result<volume::Outcome> sync(volume::Session &session);
// sync with everything but the lock at hand: for attach.
base::Result<volume::Outcome> syncKeys(volume::Session &session);
base::Result<volume::Outcome> grow(volume::Session &session);
// A part of attach: declared without encryption, blank gets its file system, and a file system is
// left as it is.
base::Result<volume::Outcome> attachPlain(volume::Session &session);
base::Result<volume::Outcome> backupHeader(volume::Session &session);
base::Result<volume::Outcome> restoreHeader(volume::Session &session);
base::Result<volume::Outcome> addKey(volume::Session &session);
base::Result<volume::Outcome> removeKey(volume::Session &session);
base::Result<volume::Outcome> rotateKey(volume::Session &session);
base::Result<volume::Outcome> encrypt(volume::Session &session);
base::Result<volume::Outcome> decrypt(volume::Session &session);
base::Result<volume::Outcome> reencrypt(volume::Session &session);
base::Result<volume::Outcome> wipe(volume::Session &session);
base::Result<volume::Outcome> erase(volume::Session &session);
base::Result<volume::Outcome> forget(volume::Session &session);
// Of no volume in particular: it has no session, and returns the exit status.
int reportTpm(const volume::Options &options);

struct VerbRow {
    volume::Verb verb;
    const char *name;
    const char *help;
    base::Result<volume::Outcome> (*run)(volume::Session &) = nullptr;
    int (*runWithoutVolume)(const volume::Options &) = nullptr;  // takes the place of `run`
    bool changesNothing =
        false;               // writes nothing, leaves no outcome file, and is no failure in the log
    bool needsSlot = false;  // --slot
    bool needsConfirmation = false;  // --confirm ID
    bool takesBackup = false;        // --header-fd
};

// In the order of volume::Verb.
std::span<const VerbRow> verbs();
const VerbRow &verbRow(volume::Verb verb);
// nullptr: there is no such verb.
const VerbRow *findVerb(std::string_view name);

}  // namespace volumecrypt::engine
