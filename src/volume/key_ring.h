// SPDX-License-Identifier: Apache-2.0
// The declared keys of a volume and their passphrases, each asked for at most once in a run.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/secret_buffer.h"
#include "keys/key_source.h"
#include "keys/state_salt.h"
#include "model/header_view.h"
#include "volume/session.h"

namespace volumecrypt::volume {

// What the sources of keys need to know, without the salt of STATE.
keys::KeyContext keyContext(const Session &session);

class KeyRing {
  public:
    explicit KeyRing(const Session &session);

    // Declared keys that are ours to enrol, in slot order.
    [[nodiscard]] std::vector<const model::KeySpec *> keys() const;
    // The same, in the order of trying: cheapest first.
    [[nodiscard]] std::vector<const model::KeySpec *> keysToTry() const;

    // The passphrase of the declared key, remembered for the rest of the run; nullptr when it
    // cannot be had, then failure() says why. `view` gives the sealed token of kinds that have one.
    const base::SecretBuffer *passphrase(const model::KeySpec &key, const model::HeaderView &view);
    // What passphrase() gave, if it did.
    [[nodiscard]] const base::SecretBuffer *known(const model::KeySpec &key) const;
    [[nodiscard]] const base::Error &failure(const model::KeySpec &key) const;
    // The passphrase from this token instead of the header's; not remembered.
    base::Result<base::SecretBuffer> passphraseFrom(const model::KeySpec &key,
                                                    const model::TokenView &token);
    // Why its passphrase, which was had, does not open the slot that the key is declared for.
    [[nodiscard]] base::Error whyNotOpened(const model::KeySpec &key, base::Error rejected,
                                           const keys::Opens &opens) const;
    // A nodeID key as it is made of a former name of the volume; not remembered.
    base::Result<base::SecretBuffer> passphraseUnder(const Session &session,
                                                     const model::KeySpec &key,
                                                     const model::VolumeId &name);
    // What was enrolled in this run is what the key's passphrase is from now on.
    void remember(const model::KeySpec &key, const base::SecretBuffer &passphrase);
    // Whether create can be expected to work.
    base::Status canCreate(const model::KeySpec &key);
    // Whether the key's token was made by us, as the key is declared now.
    bool isAsDeclared(const model::KeySpec &key, const model::HeaderView &view);
    // After passphrase gave none: why a new sealed key has to be made; empty when there is no such
    // reason.
    std::string renewalReason(const model::KeySpec &key, const model::HeaderView &view);
    // SHA-256 of the salt that the key ends with now; empty when it is not locked to STATE, or when
    // the salt cannot be had.
    std::string saltDigest(const model::KeySpec &key);
    // A passphrase for enrolment.
    base::Result<keys::NewKey> create(const model::KeySpec &key);

  private:
    struct Entry {
        const model::KeySpec *spec = nullptr;
        std::unique_ptr<keys::KeySource> source;
        std::optional<base::SecretBuffer> passphrase;
        std::optional<base::Error> error;
    };
    Entry &entry(const model::KeySpec &key);

    std::shared_ptr<keys::StateSalt> salt_;
    std::map<unsigned, Entry> entries_;
};

}  // namespace volumecrypt::volume
