// SPDX-License-Identifier: Apache-2.0
// The engine's verbs. Each is given a session of which nothing is loaded yet.
#pragma once

#include "base/result.h"
#include "volume/reporter.h"
#include "volume/session.h"

namespace volumecrypt::engine {

base::Result<volume::Outcome> inspect(volume::Session &session);
base::Result<volume::Outcome> plan(volume::Session &session);
base::Result<volume::Outcome> attach(volume::Session &session);
base::Result<volume::Outcome> detach(volume::Session &session);
base::Result<volume::Outcome> format(volume::Session &session);
base::Result<volume::Outcome> sync(volume::Session &session);
// sync with everything but the lock at hand: for attach.
base::Result<volume::Outcome> syncKeys(volume::Session &session);
base::Result<volume::Outcome> grow(volume::Session &session);
base::Result<volume::Outcome> addKey(volume::Session &session);
base::Result<volume::Outcome> removeKey(volume::Session &session);
base::Result<volume::Outcome> rotateKey(volume::Session &session);
base::Result<volume::Outcome> wipe(volume::Session &session);
base::Result<volume::Outcome> erase(volume::Session &session);
base::Result<volume::Outcome> forget(volume::Session &session);

}  // namespace volumecrypt::engine
