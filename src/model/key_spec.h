// SPDX-License-Identifier: Apache-2.0
// A declared key: which slot, which kind, with which parameters.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/secret_buffer.h"

namespace volumecrypt::model {

// LUKS2 has 32 key slots and 32 tokens (libcryptsetup LUKS2_KEYSLOTS_MAX, LUKS2_TOKENS_MAX).
inline constexpr unsigned kSlotCount = 32;

// Where in the configuration a thing was declared; line and column count from 1, 0 is "unknown".
struct SourcePosition {
    std::string file;
    unsigned line = 0;
    unsigned column = 0;
};

enum class KeyKind { Static, NodeId, Kms, Tpm, Recovery, Passphrase, Unmanaged, Unknown };

// The names of the engine's JSON and of the record: static, nodeID, kms, tpm, recovery, passphrase,
// unmanaged, unknown.
std::string_view keyKindName(KeyKind kind);
std::optional<KeyKind> keyKindFromName(std::string_view name);

struct StaticKey {
    // Exactly one of the two is meaningful: passphraseFile when it is not empty. A loader that
    // drops secrets leaves `passphrase` empty.
    base::SecretBuffer passphrase;
    std::string passphraseFile;
};
struct NodeIdKey {};
struct KmsKey {
    std::string endpoint;
    std::string caFile;
    std::string clientCertFile;
    std::string clientKeyFile;
};
struct SignedPolicy {
    std::string publicKey;
    std::vector<unsigned> pcrs;
};
// How a document put a tpm key, where META has other words for the same.
struct TpmWording {
    bool options = false;
    std::optional<std::vector<unsigned>> pcrs;  // in its order; with duplicates
    std::optional<bool> checkSecurebootStatusOnEnroll;
};
struct TpmKey {
    std::vector<unsigned> pcrs;  // sorted, without duplicates
    std::optional<SignedPolicy> signedPolicy;
    bool checkSecurebootStatusOnEnroll = false;
    std::string tcti;  // as tpm2-tss names interfaces; empty: the machine's TPM
    TpmWording wording = {};
};
// Documents a slot of somebody else that must be left alone.
struct UnmanagedKey {};

using KeyParameters = std::variant<StaticKey, NodeIdKey, KmsKey, TpmKey, UnmanagedKey>;

struct KeyWording {
    std::size_t index = 0;  // in the list of keys
    std::optional<bool> lockToState;
};

struct KeySpec {
    unsigned slot = 0;
    KeyParameters parameters;
    bool lockToState = false;
    SourcePosition position;
    KeyWording wording = {};

    [[nodiscard]] KeyKind kind() const;
    // Needs a network before it can be had.
    [[nodiscard]] bool needsNetwork() const { return kind() == KeyKind::Kms; }
    // Random, and kept sealed in a token of the header.
    [[nodiscard]] bool isSealed() const { return kind() == KeyKind::Kms || kind() == KeyKind::Tpm; }
    // A canonical text of the parameters that shape the enrolled key (never a secret): a change of
    // it means that the slot must be made anew. Its SHA-256 is the record's `params`.
    [[nodiscard]] std::string parameterText() const;
};

// Why a configuration may not name this TPM interface; nothing when it may. tpm2-tss starts a shell
// for `cmd:`, and loads a library by any other name: those that reach a TPM are enough, and --tcti
// of the engine takes what it is given.
std::optional<std::string> tctiFault(std::string_view tcti);

}  // namespace volumecrypt::model
