// SPDX-License-Identifier: Apache-2.0
// Converts STATE's encryption between META and a declaration, in both directions.
#include "meta/state_spec.h"

#include <algorithm>
#include <utility>

#include "meta/state_encryption.h"

namespace volumecrypt::meta {
namespace {

constexpr unsigned kHighestPcr = 23;
constexpr unsigned kSecureBootPcr = 7;
// One token of the header's 32 is our record.
constexpr std::ptrdiff_t kMostSealedKeys = model::kSlotCount - 1;

// Nothing for a key that Talos has no words for.
struct ToMeta {
    using Kind = std::optional<decltype(Key::kind)>;
    Kind operator()(const model::StaticKey &key) const {
        if (key.passphrase.empty()) return std::nullopt;
        return StaticKey{.data = base::SecretBuffer::copyOf(key.passphrase.bytes())};
    }
    Kind operator()(const model::NodeIdKey & /*unused*/) const { return NodeIdKey{}; }
    Kind operator()(const model::KmsKey &key) const { return KmsKey{.endpoint = key.endpoint}; }
    Kind operator()(const model::TpmKey &key) const {
        TpmKey tpm{.options = {},
                   .checkSecurebootStatusOnEnroll = key.wording.checkSecurebootStatusOnEnroll};
        if (key.wording.options) tpm.options = TpmOptions{.pcrs = key.wording.pcrs};
        return tpm;
    }
    // A kind that Talos does not have. One that it has needs a form above to compile.
    template <typename Other>
    requires(!model::rowOf(Other::kKind).inTalos) Kind operator()(const Other & /*unused*/) const {
        return std::nullopt;
    }
};

struct ToModel {
    model::KeyParameters operator()(const StaticKey &key) const {
        return model::StaticKey{.passphrase = base::SecretBuffer::copyOf(key.data.bytes()),
                                .passphraseFile = {}};
    }
    model::KeyParameters operator()(const NodeIdKey & /*unused*/) const {
        return model::NodeIdKey{};
    }
    model::KeyParameters operator()(const KmsKey &key) const {
        return model::KmsKey{
            .endpoint = key.endpoint, .caFile = {}, .clientCertFile = {}, .clientKeyFile = {}};
    }
    model::KeyParameters operator()(const TpmKey &key) const {
        model::TpmKey tpm;
        // Without options PCR 7; with them exactly what they say.
        tpm.pcrs = {kSecureBootPcr};
        if (key.options) tpm.pcrs = key.options->pcrs.value_or(std::vector<unsigned>());
        std::ranges::sort(tpm.pcrs);
        tpm.pcrs.erase(std::unique(tpm.pcrs.begin(), tpm.pcrs.end()), tpm.pcrs.end());
        tpm.checkSecurebootStatusOnEnroll = key.checkSecurebootStatusOnEnroll.value_or(false);
        return tpm;
    }
};

bool hasNoPassphrase(const Key &key) {
    const auto *fixed = std::get_if<StaticKey>(&key.kind);
    return fixed != nullptr && fixed->data.empty();
}

base::Status checkKey(const Key &key) {
    const std::string slot = std::to_string(key.slot);
    if (key.slot >= model::kSlotCount)
        return unusable("slot " + slot + " is out of range (0-" +
                        std::to_string(model::kSlotCount - 1) + ")");
    if (key.lockToState.value_or(false))
        return unusable("slot " + slot +
                        ": state-locked key is not allowed for the \"STATE\" volume");
    const auto *tpm = std::get_if<TpmKey>(&key.kind);
    if (tpm == nullptr || !tpm->options || !tpm->options->pcrs) return {};
    for (const unsigned pcr : *tpm->options->pcrs)
        if (pcr > kHighestPcr)
            return unusable("slot " + slot + ": TPM PCR " + std::to_string(pcr) +
                            " is out of range (0-23)");
    return {};
}

base::Result<std::vector<model::KeySpec>> keysOf(const StateEncryption &encryption) {
    std::vector<model::KeySpec> keys;
    for (const Key &key : encryption.keys) {
        VC_TRY(checkKey(key));
        if (hasNoPassphrase(key)) continue;
        // Talos tries all keys of a slot; here a slot has one.
        if (std::ranges::find(keys, key.slot, &model::KeySpec::slot) != keys.end())
            return unusable("duplicate key slot " + std::to_string(key.slot));
        keys.push_back({.slot = key.slot,
                        .parameters = std::visit(ToModel{}, key.kind),
                        .lockToState = false,
                        .position = {}});
    }
    if (keys.empty()) return unusable("static key must have key data defined");
    if (std::ranges::count_if(keys, &model::KeySpec::isSealed) > kMostSealedKeys)
        return unusable("more " + model::kindNames(&model::KeyKindRow::sealed, "and") +
                        " keys than a header takes");
    std::ranges::sort(keys, {}, &model::KeySpec::slot);
    return keys;
}

base::Status readCipher(const StateEncryption &encryption, model::EncryptionSpec &spec) {
    if (!encryption.cipher.empty()) spec.cipher = encryption.cipher;
    const model::Cipher *cipher = model::findCipher(spec.cipher);
    if (cipher == nullptr) return unusable("unknown cipher kind");
    const auto &sizes = cipher->keyBits;
    if (encryption.keyBits != 0 && std::ranges::find(sizes, encryption.keyBits) == sizes.end())
        return unusable("a key of " + std::to_string(encryption.keyBits) + " bits");
    if (!model::isSectorSize(encryption.sectorSize))
        return unusable("a block size of " + std::to_string(encryption.sectorSize));
    spec.keyBits =
        encryption.keyBits == 0 ? sizes.front() : static_cast<unsigned>(encryption.keyBits);
    spec.sectorSize = static_cast<unsigned>(encryption.sectorSize);
    return {};
}

}  // namespace

StateEncryption stateEncryptionOf(const model::EncryptionSpec &spec) {
    StateEncryption encryption;
    std::vector<const model::KeySpec *> keys;
    for (const model::KeySpec &key : spec.keys) keys.push_back(&key);
    std::ranges::stable_sort(keys, {},
                             [](const model::KeySpec *key) { return key->wording.index; });
    for (const model::KeySpec *key : keys)
        if (auto kind = std::visit(ToMeta{}, key->parameters))
            encryption.keys.push_back({.slot = key->slot,
                                       .kind = std::move(*kind),
                                       .lockToState = key->wording.lockToState});
    encryption.cipher = spec.wording.cipher;
    encryption.keyBits = spec.wording.keyBits;
    encryption.sectorSize = spec.sectorSize;
    if (spec.wording.options) {
        encryption.options.emplace();
        for (const model::PerformanceOption option : *spec.wording.options)
            encryption.options->emplace_back(model::performanceOptionName(option));
    }
    encryption.allowDiscards = spec.wording.allowDiscards;
    return encryption;
}

base::Result<model::EncryptionSpec> specOf(const StateEncryption &encryption) {
    model::EncryptionSpec spec;
    VC_ASSIGN(spec.keys, keysOf(encryption));
    VC_TRY(readCipher(encryption, spec));
    for (const std::string &name : encryption.options.value_or(std::vector<std::string>())) {
        const auto option = model::performanceOptionFromName(name);
        if (!option) return unusable("invalid perf option");
        if (std::ranges::find(spec.options, *option) == spec.options.end())
            spec.options.push_back(*option);
    }
    spec.allowDiscards = encryption.allowDiscards.value_or(false);
    return spec;
}

std::vector<unsigned> slotsWithoutPassphrase(const StateEncryption &encryption) {
    std::vector<unsigned> slots;
    for (const Key &key : encryption.keys)
        if (hasNoPassphrase(key)) slots.push_back(key.slot);
    return slots;
}

}  // namespace volumecrypt::meta
