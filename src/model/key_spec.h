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
#include "model/key_kind.h"

namespace volumecrypt::model {

// LUKS2 has 32 key slots and 32 tokens (libcryptsetup LUKS2_KEYSLOTS_MAX, LUKS2_TOKENS_MAX).
inline constexpr unsigned kSlotCount = 32;

// Where in the configuration a thing was declared; line and column count from 1, 0 is "unknown".
struct SourcePosition {
    std::string file;
    unsigned line = 0;
    unsigned column = 0;
};

// The parameters of each kind that can be declared. `members` calls visit(name, member) for what
// is kept of them, by the names of the configuration and without secrets. `text` is canonical, of
// what shapes the enrolled key: when it changes, the slot must be made anew.
struct StaticKey {
    static constexpr KeyKind kKind = KeyKind::Static;
    // Exactly one of the two is meaningful: passphraseFile when it is not empty. A loader that
    // drops secrets leaves `passphrase` empty.
    base::SecretBuffer passphrase;
    std::string passphraseFile;

    static void members(auto &key, auto &&visit) { visit("passphraseFile", key.passphraseFile); }
    [[nodiscard]] static std::string text() { return {}; }
};
struct NodeIdKey {
    static constexpr KeyKind kKind = KeyKind::NodeId;
    static void members(auto & /*key*/, auto && /*visit*/) {}
    [[nodiscard]] static std::string text() { return {}; }
};
struct KmsKey {
    static constexpr KeyKind kKind = KeyKind::Kms;
    std::string endpoint;
    std::string caFile;
    std::string clientCertFile;
    std::string clientKeyFile;

    static void members(auto &key, auto &&visit) {
        visit("endpoint", key.endpoint);
        visit("caFile", key.caFile);
        visit("clientCertFile", key.clientCertFile);
        visit("clientKeyFile", key.clientKeyFile);
    }
    [[nodiscard]] std::string text() const { return "endpoint=" + endpoint; }
};
struct SignedPolicy {
    std::string publicKey;
    std::vector<unsigned> pcrs;

    static void members(auto &policy, auto &&visit) {
        visit("publicKey", policy.publicKey);
        visit("pcrs", policy.pcrs);
    }
};
// How a document put a tpm key, where META has other words for the same.
struct TpmWording {
    bool options = false;
    std::optional<std::vector<unsigned>> pcrs;  // in its order; with duplicates
    std::optional<bool> checkSecurebootStatusOnEnroll;
};
struct TpmKey {
    static constexpr KeyKind kKind = KeyKind::Tpm;
    std::vector<unsigned> pcrs;  // sorted, without duplicates
    std::optional<SignedPolicy> signedPolicy;
    bool checkSecurebootStatusOnEnroll = false;
    std::string tcti;  // as tpm2-tss names interfaces; empty: the machine's TPM
    TpmWording wording = {};

    static void members(auto &key, auto &&visit) {
        visit("pcrs", key.pcrs);
        visit("tcti", key.tcti);
        visit("checkSecurebootStatusOnEnroll", key.checkSecurebootStatusOnEnroll);
        visit("signedPolicy", key.signedPolicy);
    }
    [[nodiscard]] std::string text() const;
};
// Documents a slot of somebody else that must be left alone.
struct UnmanagedKey {
    static constexpr KeyKind kKind = KeyKind::Unmanaged;
    static void members(auto & /*key*/, auto && /*visit*/) {}
    [[nodiscard]] static std::string text() { return {}; }
};

// One alternative for each kind that the table of kinds calls declarable.
using KeyParameters = std::variant<StaticKey, NodeIdKey, KmsKey, TpmKey, UnmanagedKey>;

// Those of a key of this kind about which nothing is known; nothing for kinds that cannot be
// declared.
std::optional<KeyParameters> emptyParameters(KeyKind kind);

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
    [[nodiscard]] const KeyKindRow &row() const { return rowOf(kind()); }
    // Needs a network before it can be had.
    [[nodiscard]] bool needsNetwork() const { return row().reach == KeyReach::Network; }
    // Random, and kept sealed in a token of the header.
    [[nodiscard]] bool isSealed() const { return row().sealed; }
    // The text of its parameters (never a secret). Its SHA-256 is the record's `params`.
    [[nodiscard]] std::string parameterText() const;
};

// The key that is declared for this slot; nullptr when there is none.
const KeySpec *keyInSlot(const std::vector<KeySpec> &declared, unsigned slot);

// Why a configuration may not name this TPM interface; nothing when it may. tpm2-tss starts a shell
// for `cmd:`, and loads a library by any other name: those that reach a TPM are enough, and --tcti
// of the engine takes what it is given.
std::optional<std::string> tctiFault(std::string_view tcti);

}  // namespace volumecrypt::model
