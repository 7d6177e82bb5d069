// SPDX-License-Identifier: Apache-2.0
// What is remembered of a volume outside it: LUKS metadata is not authenticated, so a disk that was
// swapped or zeroed is recognised by its pin.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "base/secret_buffer.h"
#include "model/header_view.h"
#include "volume/session.h"

namespace volumecrypt::volume {

// Whether a pin is there. Io when that cannot be found out.
base::Result<bool> hasPin(const Session &session);

// ForeignVolume when the volume is not the pinned one, or its header places its data elsewhere;
// success when it is, or when there is no pin. Of a volume with a former name the pins of both
// names have to fit. HeaderCorrupt when the pin file cannot be understood.
base::Status checkPin(const Session &session, const model::HeaderView &header,
                      const base::SecretBuffer &volumeKey,
                      const std::optional<model::VolumeId> &former);

// Of a volume that checkPin let pass. Writes the pin unless it is there already, and in place of
// one that an earlier version wrote or that has another `machine` (see pinText). A read-only file
// system is success with a warning: sync writes it later.
base::Status writePin(const Session &session, const model::HeaderView &header,
                      const base::SecretBuffer &volumeKey, const std::string &machine);

// Before the volume key is changed: every pin of the volume knows it by both keys, on the disk. Io
// when one cannot be written: then the change must not begin. The first writePin after the change,
// or after it was given up, leaves one of them. While the record names a job, writePin does
// nothing.
base::Status writePinWithNext(const Session &session, const model::HeaderView &header,
                              const base::SecretBuffer &volumeKey,
                              const base::SecretBuffer &nextVolumeKey, const std::string &machine);

// Once the pin of the present name is there: drops that of the former name, where it is of this
// very volume.
base::Status dropFormerPin(const Session &session, const model::VolumeId &former,
                           const model::HeaderView &header, const base::SecretBuffer &volumeKey);

// Of the pin in the early state directory, without the volume key.
struct Remembered {
    bool isThis = false;   // it has this UUID
    bool isOther = false;  // it has another one
    std::string machine;   // the mark in it, in hexadecimal
    // It says where the data is: no earlier version wrote it.
    bool knowsSegment = false;
    bool hasNext = false;  // its volume key is being changed
};
base::Result<Remembered> rememberedOf(const Session &session, const model::VolumeId &id,
                                      const std::string &uuid);

// Absent is success.
base::Status dropPin(const Session &session);

// VolumeVanished when the device would be formatted although the volume is pinned.
base::Status checkNotPinned(const Session &session);

}  // namespace volumecrypt::volume
