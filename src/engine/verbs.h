// SPDX-License-Identifier: Apache-2.0
// The engine's verbs. Each is given a session of which nothing is loaded yet.
#pragma once

#include "base/result.h"
#include "volume/reporter.h"
#include "volume/session.h"

namespace volumecrypt::engine {

base::Result<Outcome> inspect(Session &session);
base::Result<Outcome> plan(Session &session);
base::Result<Outcome> attach(Session &session);
base::Result<Outcome> detach(Session &session);
base::Result<Outcome> format(Session &session);
base::Result<Outcome> sync(Session &session);
// sync with everything but the lock at hand: for attach.
base::Result<Outcome> syncKeys(Session &session);
base::Result<Outcome> grow(Session &session);
base::Result<Outcome> addKey(Session &session);
base::Result<Outcome> removeKey(Session &session);
base::Result<Outcome> rotateKey(Session &session);
base::Result<Outcome> wipe(Session &session);
base::Result<Outcome> erase(Session &session);
base::Result<Outcome> forget(Session &session);

}  // namespace volumecrypt::engine
