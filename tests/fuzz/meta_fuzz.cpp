// SPDX-License-Identifier: Apache-2.0
// Any bytes as META: a copy, the older format, the JSON of tag 9.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>

#include "meta/adv.h"
#include "meta/state_encryption.h"
#include "meta/state_spec.h"

namespace {

namespace meta = volumecrypt::meta;
namespace model = volumecrypt::model;

void require(bool condition) {
    if (!condition) std::abort();
}

// What META can say, and no more.
void checkSpec(const model::EncryptionSpec &spec) {
    require(!spec.keys.empty() && model::findCipher(spec.cipher) != nullptr &&
            !spec.anyLockedToState());
    for (std::size_t i = 0; i < spec.keys.size(); ++i) {
        const model::KeySpec &key = spec.keys[i];
        require(key.slot < model::kSlotCount && (i == 0 || spec.keys[i - 1].slot < key.slot));
        if (const auto *fixed = std::get_if<model::StaticKey>(&key.parameters))
            require(fixed->passphraseFile.empty() && !fixed->passphrase.empty());
        if (const auto *kms = std::get_if<model::KmsKey>(&key.parameters))
            require((kms->caFile + kms->clientCertFile + kms->clientKeyFile).empty());
        if (const auto *tpm = std::get_if<model::TpmKey>(&key.parameters))
            require(tpm->tcti.empty() && !tpm->signedPolicy);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    const std::string text(data, data + size);
    (void)meta::redactedStateEncryption(text);
    if (const auto parsed = meta::parseStateEncryption(text); parsed && *parsed) {
        if (const auto spec = meta::specOf(**parsed)) checkSpec(*spec);
        const auto again = meta::formatStateEncryption(&**parsed);
        require(again.has_value());
        require(meta::parseStateEncryption({again->chars(), again->size()}).has_value());
    }
    const auto bytes = std::as_bytes(std::span(data, size));
    if (size == meta::kCopySize) (void)meta::decodeCopy(bytes);
    if (size == meta::kLegacySize) (void)meta::decodeLegacy(bytes);
    return 0;
}
