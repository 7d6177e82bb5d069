// SPDX-License-Identifier: Apache-2.0
// A volume that is declared without encryption: decrypted where it is, from its first step to its
// last.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "base/secret_buffer.h"
#include "blockdev/filesystem_extent.h"
#include "luks/decryption_marker.h"
#include "luks/header_copy.h"
#include "model/header_view.h"
#include "volume/device_state.h"
#include "volume/session.h"

namespace volumecrypt::volume {

struct OpenedBySecret {
    luks::HeaderCopy header;
    base::SecretBuffer volumeKey;
    unsigned slot = 0;
};

// By the secret that was given, a passphrase or a recovery key. NoUsableKey when there is none,
// KeyRejected when it opens no slot.
base::Result<OpenedBySecret> openBySecret(const Session &session, luks::HeaderCopy header);

// It is our volume, of this machine and with nothing else under way in it. ForeignVolume, Busy,
// HeaderCorrupt, Unsupported.
base::Status expectOurs(const Session &session, const OpenedBySecret &opened);

struct EncryptedContent {
    blockdev::FilesystemExtent extent;
    std::uint64_t most = 0;  // bytes: where the file system has to end
    luks::DecryptionMarker places;

    [[nodiscard]] bool hasRoom() const { return extent.bytes <= most; }
};

// `fd`: the device. Unsupported for a cipher, a layout or a file system that cannot be decrypted in
// place, and for a file system that was not unmounted; NotBlank for other content than declared;
// NoSpace when it would have to become smaller and cannot; Io. Nothing is written.
base::Result<EncryptedContent> measureEncrypted(const Session &session, int fd,
                                                const model::HeaderView &view,
                                                const base::SecretBuffer &volumeKey);

// Of the volume that `found` describes. Everything that can be refused is refused before anything
// is written: NoUsableKey, KeyRejected, ForeignVolume, Busy, NoSpace, Unsupported, NotBlank,
// HeaderRefused. The last write makes it ours to go on with.
base::Result<luks::DecryptionMarker> startDecryption(const Session &session,
                                                     const DeviceContent &found);

// Goes on from wherever it was interrupted, to its end. NoUsableKey, KeyRejected; HeaderCorrupt;
// ForeignVolume; Cancelled at a safe point; Io.
base::Status runDecryption(const Session &session, const luks::DecryptionMarker &marker);

}  // namespace volumecrypt::volume
