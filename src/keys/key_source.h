// SPDX-License-Identifier: Apache-2.0
// Where the passphrase of a declared key comes from.
#pragma once

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

struct KeyContext {
    model::VolumeId volume;
    model::SystemPaths paths;
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
};

// InvalidConfig for `unmanaged: {}`, which has no key; Unsupported for kinds that this build does
// not have.
base::Result<std::unique_ptr<KeySource>> makeKeySource(const model::KeySpec &spec,
                                                       const KeyContext &context);

// Cheapest first (tpm, then static and nodeID, then kms), within a kind by slot.
int tryingOrder(model::KeyKind kind);

}  // namespace volumecrypt::keys
