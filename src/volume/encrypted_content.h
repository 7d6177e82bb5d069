// SPDX-License-Identifier: Apache-2.0
// What is in a LUKS2 volume that is to be decrypted where it is, seen without a mapping.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "base/secret_buffer.h"
#include "blockdev/filesystem_extent.h"
#include "luks/decryption_marker.h"
#include "model/header_view.h"
#include "volume/session.h"

namespace volumecrypt::volume {

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

}  // namespace volumecrypt::volume
