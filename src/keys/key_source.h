// SPDX-License-Identifier: Apache-2.0
// Where the passphrase of a declared key comes from.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "base/secret_buffer.h"
#include "model/header_view.h"
#include "model/key_spec.h"
#include "model/system_paths.h"
#include "model/volume_id.h"

namespace volumecrypt::keys {

class StateSalt;

struct KeyContext {
    model::VolumeId volume;
    model::SystemPaths paths;
    std::string tcti = {};       // of the TPM; empty: as declared
    std::string kmsHelper = {};  // the program volumecrypt-kms
    int kmsAttempts = 1;         // for calls of a server that does not answer
    // Waits between them, for so many milliseconds; false when there is to be no further one.
    std::function<bool(int)> pause = {};
    std::shared_ptr<StateSalt> stateSalt = {};  // for keys that are locked to STATE
    // The UUID that META gives the machine in place of the firmware's; unset: there is no META.
    std::function<base::Result<std::optional<std::string>>()> uuidOverride = {};
};

// A key that is about to be enrolled.
struct NewKey {
    base::SecretBuffer passphrase;
    std::string
        token;  // JSON of the sealed token that belongs to it; empty for keys that have none
};

// Errors carry the slot. None of them is final for the volume: the next key is tried.
class KeySource {
  public:
    KeySource() = default;
    virtual ~KeySource() = default;
    KeySource(const KeySource &) = delete;
    KeySource &operator=(const KeySource &) = delete;
    KeySource(KeySource &&) = delete;
    KeySource &operator=(KeySource &&) = delete;

    // The passphrase as enrolled; `token` is the key's sealed token, for kinds that have one.
    virtual base::Result<base::SecretBuffer> obtain(
        const std::optional<model::TokenView> &token) = 0;
    // A passphrase to enrol: the same as obtain's for static and nodeID, a fresh random one for
    // sealed kinds.
    virtual base::Result<NewKey> create() = 0;

    // Sealed kinds: whether create can be expected to work now. Makes nothing.
    virtual base::Status canCreate() { return {}; }
    // Sealed kinds: whether `token` is one of ours, made as is declared now; asked of slots that
    // are not in the record.
    virtual bool isAsDeclared(const model::TokenView &token);
    // Sealed kinds, after obtain failed: why the key in `token` is lost for good, so that a new one
    // has to be made in its place; empty when trying again later may do.
    virtual std::string renewalReason(const base::Error &failure,
                                      const std::optional<model::TokenView> &token);
};

// InvalidConfig for `unmanaged: {}`, which has no key; Unsupported for kinds that this build does
// not have.
base::Result<std::unique_ptr<KeySource>> makeKeySource(const model::KeySpec &spec,
                                                       const KeyContext &context);

// Cheapest first (tpm, then static and nodeID, then kms), within a kind by slot.
int tryingOrder(model::KeyKind kind);

}  // namespace volumecrypt::keys
