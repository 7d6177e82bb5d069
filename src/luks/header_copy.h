// SPDX-License-Identifier: Apache-2.0
// A private copy of a volume's header: validated before any key is tried, and what the volume is
// activated from.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "base/secret_buffer.h"
#include "base/unique_fd.h"
#include "model/header_view.h"

struct crypt_device;

namespace volumecrypt::luks {

struct HeaderCopy {
    base::UniqueFd memory;  // memfd with both header areas, at their device offsets; a key slot
                            // area comes in when its slot is opened
    base::UniqueFd device;  // open for reading: where the key slot areas are
    std::shared_ptr<crypt_device> library;  // libcryptsetup's handle of `memory`, loaded
    model::HeaderView view;
    // The primary or the secondary copy on the device is damaged or older than the other.
    bool needsRepair = false;
};

// Reads the header of `path` and validates it (validateHeader). NotLuks2 when there is no LUKS2
// header (LUKS1 included, and the message says so), HeaderCorrupt when neither copy is whole, or
// both claim the same sequence number and differ, HeaderRefused from the validation, Io.
base::Result<HeaderCopy> copyHeader(const std::string &path);

// The same, and a header in flight is accepted (validateHeaderInFlight): for a reencryption that
// our record names. Such a copy is for looking and for opening key slots, not for activating: what
// it says of the data is out of date as soon as the reencryption goes on.
base::Result<HeaderCopy> copyHeaderInFlight(const std::string &path);

// Rewrites a damaged or older copy of the header from the current one; nothing to do is success.
// The caller holds the volume's lock. Errors as copyHeader.
base::Status repairHeader(const std::string &path);

// The slot, or NotFound.
base::Result<const model::SlotView *> findSlot(const model::HeaderView &view, unsigned slot);

// HeaderStore::slotDigest on an open device or memfd.
base::Result<std::string> slotDigestOf(int fd, const model::HeaderView &view, unsigned slot);

// As HeaderStore::openSlot and HeaderStore::slotDigest, on the copy.
base::Result<base::SecretBuffer> openSlot(const HeaderCopy &copy, unsigned slot,
                                          const base::SecretBuffer &passphrase);
base::Result<std::string> slotDigest(const HeaderCopy &copy, unsigned slot);

}  // namespace volumecrypt::luks
