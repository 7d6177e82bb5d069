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

// Whether another passphrase opens the slot in question. Costs a key derivation.
using Opens = std::function<bool(const base::SecretBuffer &)>;

// Which slot an error is about says who holds the sources (volume/key_ring.h). None of them is
// final for the volume: the next key is tried.
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
    // `passphrase` was had and does not open the key's slot, as `rejected` says in general: with
    // what this kind of key knows of why, and of what to do.
    virtual base::Error whyNotOpened(base::Error rejected, const base::SecretBuffer &passphrase,
                                     const Opens &opens) const;

    // Sealed kinds: see SealedKeySource. The others can always be made, as they are declared.
    virtual base::Status canCreate() { return {}; }
    virtual bool isAsDeclared(const model::TokenView &token);
    virtual std::string renewalReason(const base::Error &failure,
                                      const std::optional<model::TokenView> &token);
};

// A random key that something else seals and unseals: what every kind of them has to answer.
class SealedKeySource : public KeySource {
  public:
    // `spec` must outlive the source. `sealer` is for people: "TPM".
    SealedKeySource(const model::KeySpec &spec, const char *sealer)
        : spec_(spec), sealer_(sealer) {}

    base::Result<base::SecretBuffer> obtain(const std::optional<model::TokenView> &token) final;
    // Whether create can be expected to work now. Makes nothing.
    base::Status canCreate() override = 0;
    // Whether `token` is one of ours, made as is declared now; asked of slots that are not in the
    // record.
    bool isAsDeclared(const model::TokenView &token) override = 0;
    // After obtain failed: why the key in `token` is lost for good, so that a new one has to be
    // made in its place; empty when trying again later may do.
    std::string renewalReason(const base::Error &failure,
                              const std::optional<model::TokenView> &token) final;

  protected:
    // The passphrase from the key's token.
    virtual base::Result<base::SecretBuffer> unseal(const std::string &json) = 0;
    // The same as renewalReason, of a token that is there and not damaged.
    virtual std::string lossReason(const base::Error &failure, const std::string &json) = 0;

    [[nodiscard]] const model::KeySpec &spec() const { return spec_; }

  private:
    const model::KeySpec &spec_;
    const char *sealer_;
};

// Unsupported for `unmanaged: {}`, which has no key.
base::Result<std::unique_ptr<KeySource>> makeKeySource(const model::KeySpec &spec,
                                                       const KeyContext &context);

}  // namespace volumecrypt::keys
