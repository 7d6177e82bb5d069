// SPDX-License-Identifier: Apache-2.0
// LUKS2 reencryption: begun, gone on with, and ended, by libcryptsetup where that can be trusted
// and by ourselves where it destroys data.
//
// Killed between the last of the data and the end of the reencryption, libcryptsetup (2.6 and 2.7;
// `cryptsetup reencrypt --resume-only` as well) begins at byte 0 again: everything is encrypted
// twice, and it says that all went well. So the header is read by us before each of its runs, and
// from ReencryptionPhase::DataDone on it is kept away: finishReencryption writes the end.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "base/result.h"
#include "base/secret_buffer.h"
#include "luks/mapping.h"
#include "model/header_view.h"

namespace volumecrypt::luks {

// A passphrase that opens a slot of the old volume key and one of the new: libcryptsetup wants both
// by the same. An encryption has no old slot, a decryption no new one.
struct ReencryptionKey {
    const base::SecretBuffer &passphrase;
    std::optional<unsigned> oldSlot;
    std::optional<unsigned> newSlot;
};

struct ReencryptionControl {
    // Bytes; called at safe points.
    std::function<void(std::uint64_t done, std::uint64_t total)> progress;
    // Waits so long, or looks whether to stop when that is 0. False: stop at this safe point.
    std::function<bool(std::chrono::milliseconds)> pause;
    std::uint64_t rate = 0;   // bytes a second; 0: as fast as it goes
    std::uint64_t chunk = 0;  // bytes between two safe points; 0: chosen by the size of the device
};

// Stopped: at a safe point, to be gone on with. DataDone: finishReencryption is to be called.
// Finished: no reencryption is under way (any more).
enum class ReencryptionEnd { Stopped, DataDone, Finished };

// Goes on with what the header on `path` says, recovering first when it crashed. `mapping`: the
// name under which the volume is unlocked; empty for a volume that is locked, or a plain file. The
// caller holds the volume's lock. Says what the header says afterwards, whatever libcryptsetup
// returned.
// HeaderRefused (a reencryption that we do not understand), KeyRejected, Busy, Io; Unsupported with
// a mapping for libcryptsetup 2.7.0 to 2.7.4, which corrupt data online.
base::Result<ReencryptionEnd> runReencryption(const std::string &path, const std::string &mapping,
                                              const ReencryptionKey &key,
                                              const ReencryptionControl &control);

// The first part of that: after it the header is not Crashed. No other data is worked on.
base::Result<ReencryptionEnd> recoverReencryption(const std::string &path,
                                                  const ReencryptionKey &key);

// Maps a volume in flight that recoverReencryption left (Stopped): from the header on the device,
// under libcryptsetup's lock. The passphrase opens a slot of either volume key; every slot is
// tried. Afterwards the mapping is compared with the header, and closed when it is another. Errors
// as luks::activate, HeaderRefused.
base::Status activateInFlight(const std::string &path, const std::string &name,
                              const base::SecretBuffer &passphrase,
                              const ActivationOptions &options);

// Puts the header of `path` in flight, from its present volume key to that of the slot
// `key.newSlot` (addNewKeySlot). No data is changed. When it fails the header may or may not be in
// flight: read it. Errors as runReencryption, NoSpace.
base::Status beginReencryption(const std::string &path, const std::string &mapping,
                               const ReencryptionKey &key);

// What the header is to be when the reencryption is over.
struct FinalHeader {
    std::map<unsigned, unsigned> moves;  // key slots that get another number: from, to
    std::optional<unsigned> token;       // a token to write with the rest, …
    std::string tokenJson;               // … and its content
};

// Ends a reencryption that is DataDone (see above), and one that libcryptsetup finished itself, by
// one write of the header (rewriteHeader): no other state can be met than the one before and the
// one after. In DataDone the key material of the old volume key, and the moved segment of an
// encryption, are overwritten first, so a key slot of the new one must have been opened before.
// Key slots keep their key material when their number changes. Internal when a number is taken;
// HeaderRefused in any other phase, with nothing written.
base::Status finishReencryption(const std::string &path, const FinalHeader &last);

}  // namespace volumecrypt::luks
