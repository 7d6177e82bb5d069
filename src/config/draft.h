// SPDX-License-Identifier: Apache-2.0
// A volume as one document declares it, before the rules between documents are applied; what reads
// each part of it, and those rules.
#pragma once

#include <chrono>
#include <optional>
#include <utility>
#include <vector>

#include "config/fields.h"
#include "config/loader.h"
#include "model/volume_id.h"
#include "model/volume_spec.h"

namespace volumecrypt::config {

struct Draft {
    model::VolumeSpec spec;
    bool valid = true;
    // Of the values; of the document where they are defaults.
    model::SourcePosition device;
    model::SourcePosition meta;
    model::SourcePosition where;
    std::optional<bool> trimEnabled;
    std::optional<std::chrono::seconds> trimInterval;
    model::SourcePosition trim;
    std::vector<model::SourcePosition> lockedToState;  // every `lockToState: true`

    explicit Draft(model::VolumeId id) : spec(std::move(id)) {}
};

// Those of a VolumeConfig, which have names of their own.
bool isSystemVolume(model::VolumeKind kind);
// Talos makes its file system, and no field says how.
bool isImageCache(const model::VolumeId &id);
// Can hold a file system.
bool isMountable(model::VolumeKind kind);

// Each fills its part of the draft, defaults included.
void readDevice(Fields &document, Draft &draft);
void readFilesystem(Fields &document, Draft &draft);

// Fills its part of the draft, defaults included. After readDevice and readFilesystem, on which its
// defaults and rules depend.
void readMount(Fields &document, Draft &draft);

// Nothing for a plain volume, and when it is wrong.
std::optional<model::EncryptionSpec> readEncryption(Fields &document, Draft &draft);

// What a FilesystemTrimConfig document says for all volumes.
struct TrimDefault {
    std::chrono::seconds interval{};
};

void readUpkeep(Fields &document, Draft &draft);
// The rest of a FilesystemTrimConfig; nothing when it is wrong, which was reported.
std::optional<TrimDefault> readTrimDefault(Fields &document);

// Once all documents are read: which volumes are trimmed how often. Says why one is not that was
// to be.
void resolveTrim(std::vector<Draft> &drafts, const std::optional<TrimDefault> &general,
                 std::vector<Problem> &problems);

// `provisioning` and `volumeType`: Talos makes a place for the volume, here the device has to be
// there.
// False when Talos makes a mere directory of it: then there is no volume, which was said.
bool readPlace(Fields &document, const model::VolumeId &id);

// Marks the drafts that break a rule invalid and adds the problems. `complete`: every file could be
// read to its end, so that what is not among the drafts is not declared.
void checkTogether(std::vector<Draft> &drafts, bool complete, std::vector<Problem> &problems);

}  // namespace volumecrypt::config
