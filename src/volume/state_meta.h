// SPDX-License-Identifier: Apache-2.0
// META on the disk of STATE: where the encryption of STATE is found when the configuration does not
// say it, and the UUID that nodeID keys take in place of the firmware's.
#pragma once

#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "base/result.h"
#include "keys/state_salt.h"
#include "model/volume_spec.h"
#include "volume/session.h"

namespace volumecrypt::volume {

// The encryption of STATE by META; nothing when there is no META, nothing in it, or `null`.
// HeaderCorrupt when it is there and cannot be used: a blank STATE must not become a plain one
// then.
base::Result<std::optional<model::EncryptionSpec>> stateEncryptionInMeta(const Session &session);

// For each passphrase of STATE that META keeps, or will keep after the next sync. Said every time:
// whoever reads one log only has to know.
void warnOfPassphrasesInMeta(const Session &session);

// Makes META say what the configuration says of STATE, and warns of passphrases in it; does nothing
// for other volumes, and without META. A failure is a warning: STATE itself is well.
void saveStateEncryption(const Session &session);

// After STATE was wiped: META no longer says anything of it.
base::Status clearStateEncryption(const Session &session);

// Tag 15 of META; nothing when it is not there.
base::Result<std::optional<std::string>> uuidOverride(const Session &session);

// The tags for people, secrets hidden; null without META.
base::Result<nlohmann::json> metaReport(const Session &session);

// Where the other volumes find STATE: the salt of their keys, and copies of their pins.

// Nothing when STATE is not validly declared.
std::optional<keys::StatePlace> statePlace(const Session &session);

}  // namespace volumecrypt::volume
