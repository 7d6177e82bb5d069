// SPDX-License-Identifier: Apache-2.0
// What a volume's device holds and whether it is mapped: the first question of every verb.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "blockdev/content.h"
#include "luks/decryption_marker.h"
#include "luks/encryption_marker.h"
#include "luks/header_copy.h"
#include "luks/mapping.h"
#include "volume/session.h"

namespace volumecrypt::volume {

// The volume's mapping, when it is one of this device. Busy (with retry) when the name is taken by
// a mapping of another device: a stale mapping whose device went away.
base::Result<bool> isMapped(const Session &session);

// Before anything that would have to write to the device. Unsupported when it is read-only.
base::Status expectWritable(const Session &session);

struct DeviceContent {
    blockdev::Content content;
    // Our marker: a format that was started and can be started over.
    bool interruptedFormat = false;
    // The marker of a newer version; `content` is Unknown then.
    bool newerFormat = false;
    // Our marker: the encryption of what is there was begun, and its first segment is being
    // exchanged for the header; `content` is Unknown then. encrypt goes on.
    std::optional<luks::EncryptionMarker> interruptedEncryption = {};
    // The marker of such an encryption of another volume, or by a newer version.
    bool otherEncryption = false;
    // Our marker: what is there is being decrypted; `content` is Unknown then. decrypt goes on.
    std::optional<luks::DecryptionMarker> interruptedDecryption = {};
    // The marker of such a decryption of another volume, or by a newer version.
    bool otherDecryption = false;
    [[nodiscard]] bool hasUnfinishedJob() const {
        return interruptedEncryption || otherEncryption || interruptedDecryption || otherDecryption;
    }
    // Of something else, beside a LUKS2 header with the volume's record: the volume was made over
    // it, or grew over it.
    std::vector<blockdev::Signature> others = {};
};
base::Result<DeviceContent> lookAtDevice(const Session &session);

// A hint of src/luks, which knows no volume, with device and volume in its commands.
std::string forDevice(const Session &session, std::string hint);

// luks::copyHeader of a device that is known to hold LUKS2; its errors name the volume.
base::Result<luks::HeaderCopy> copyHeader(const Session &session);

// The header of a volume whose reencryption is unfinished; it is not validated. Empty when it is
// not such a volume.
std::optional<model::HeaderView> reencryptingHeader(const Session &session);

// Whether the header is that of our encryption of what was on the device, in flight or at its end.
// Nobody vouches for the record before the volume is opened.
bool isBeingEncrypted(const Session &session);

// The validated header, or the error that fits what is there instead: NotLuks2 (blank, LUKS1),
// NotBlank (anything else).
base::Result<luks::HeaderCopy> readHeader(const Session &session);
// The same, of a device that was looked at just now.
base::Result<luks::HeaderCopy> readHeader(const Session &session, const DeviceContent &found);

// locked or unlocked, by the mapping.
base::Result<model::VolumeState> encryptedState(const Session &session);

// Beside a volume of ours there are signatures of something else: which, and how to remove them.
void warnOfOthers(const Session &session, const DeviceContent &found);

// What to do about content that is in the way, as the end of a hint. Never to wipe a device with a
// LUKS header on it: that may be the very volume.
std::string giveUpHint(const Session &session, const blockdev::Content &content);

// NotBlank when /etc/crypttab has a use for a device that looks blank.
base::Status checkUnclaimed(const Session &session);

// "nothing was written …" for content that is not what is declared.
base::Error unexpectedContent(const Session &session, const DeviceContent &found);
// Of a volume whose encryption was begun and is unfinished: who goes on, as a hint.
std::string encryptHint(const Session &session);
// Unsupported, for DeviceContent::newerFormat.
base::Error newerFormat(const Session &session);

// Points the volume's content link to its mapping, or to the device of a plain volume.
base::Status linkContent(const Session &session);

}  // namespace volumecrypt::volume
