// SPDX-License-Identifier: Apache-2.0
// What the engine was asked to do, checked.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "luks/header_store.h"
#include "model/key_spec.h"
#include "model/system_paths.h"
#include "model/volume_id.h"
#include "volume/verb.h"

namespace volumecrypt::volume {

enum class OutputFormat { Text, Json };

struct Options {
    Verb verb = Verb::Inspect;
    std::string verbName = "inspect";  // as typed, and in the `verb` member of results
    bool changesNothing = false;       // the verb only looks
    model::VolumeId id;
    bool allVolumes = false;  // tpm without an ID; `id` says nothing then
    model::SystemPaths paths;
    std::string tcti;
    std::string kmsHelper;  // the program volumecrypt-kms; another one in tests only
    // A passphrase that opens the volume; for add-key the new key.
    std::optional<int> secretFd;
    // add-key: a passphrase that opens the volume.
    std::optional<int> unlockFd;
    // backup-header, restore-header: where the backup goes to, or comes from.
    std::optional<int> headerFd;
    // add-key: a socket with both, for who has one descriptor to give (see base::handOver).
    // restore-header: one with those of headerFd and secretFd.
    std::optional<int> secretsFrom;
    std::optional<unsigned> slot;                      // remove-key, rotate
    std::string confirm;                               // the volume's ID, typed again
    model::KeyKind kind = model::KeyKind::Passphrase;  // add-key
    OutputFormat output = OutputFormat::Text;
    bool force = false;      // format: overwrite what is there
    bool verify = false;     // sync: open every slot
    bool adopt = false;      // sync, plan: the volume of another machine is this one's from now on
    std::uint64_t rate = 0;  // the jobs: bytes a second at most; 0: as fast as it goes
    // What slots of keys that people chose cost; lowered by tests only (--test-kdf).
    luks::KdfCost cost = luks::KdfCost::Library;
};

// The exit statuses of the engine; volumecryptctl uses the same.

inline constexpr int kExitDone = 0;
inline constexpr int kExitError = 1;
inline constexpr int kExitPlanHasSteps = 2;
inline constexpr int kExitUsage = 64;  // EX_USAGE of sysexits.h
inline constexpr int kExitRetry = 75;  // EX_TEMPFAIL

}  // namespace volumecrypt::volume
