// SPDX-License-Identifier: Apache-2.0
// The kinds of keys: one row a kind says what is so of it, and everything else asks the row.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace volumecrypt::model {

// In the order in which messages name them. A kind without a row in its place does not compile.
enum class KeyKind { Static, NodeId, Kms, Tpm, Passphrase, Recovery, Unmanaged, Unknown };

inline constexpr const char *kSystemdTpmTokenType = "systemd-tpm2";
inline constexpr const char *kLockedTpmTokenType = "volumecrypt-tpm2";
inline constexpr const char *kRecoveryTokenType = "systemd-recovery";
// As Talos writes them: they name no key slot, their id is its number. A kms token of ours that
// could not have that id says so in `UserData.slot`.
inline constexpr const char *kKmsTokenType = "sideroKMS";
inline constexpr const char *kTalosTpmTokenType = "talos-tpm2";

// A type of token that belongs to keys of a kind, and is of no use without its slot.
struct TokenType {
    std::string_view name;
    bool readable = true;   // what it holds can be had here; false: only by who wrote it
    bool namesSlot = true;  // in its `keyslots`; false: see above
};

// What has to be within reach of who gets such a key, beyond files and the disk itself: the
// sandboxes of units and of jobs let it through.
enum class KeyReach { Nothing, Network, TpmDevice };

struct KeyKindRow {
    KeyKind kind;
    std::string_view name;  // in YAML, in the engine's JSON, in the record
    // Where it is met with.
    bool declarable = false;  // in `encryption.keys`: an alternative of KeyParameters
    bool addable = false;     // made by add-key
    bool inTalos = false;     // META has words for it
    // What it is.
    bool sealed = false;        // random, and kept sealed in a token of the header
    bool machineMade = false;   // as random as can be: the least costly KDF will do
    bool ofVolumeName = false;  // made of the volume's ID: another key when that changes
    KeyReach reach = KeyReach::Nothing;
    int tryingOrder = 1;  // the lowest first, within a number by slot
    // Its tokens, and whether a new one takes its slot's number where that is free.
    std::span<const TokenType> tokens = {};
    bool tokenTakesSlotNumber = false;
    // Every field of its YAML, those of the maps in it as well, and which of them name files.
    std::span<const std::string_view> fields = {};
    std::span<const std::string_view> files = {};
    // For people, of one that is declared and not sealed: how to have another key.
    const char *howToChange = nullptr;
};

namespace key_kinds {

inline constexpr std::array kKmsTokens{TokenType{.name = kKmsTokenType, .namesSlot = false}};
inline constexpr std::array kTpmTokens{
    TokenType{.name = kSystemdTpmTokenType}, TokenType{.name = kLockedTpmTokenType},
    // Sealed under a policy of Talos' own, which nobody else can satisfy.
    TokenType{.name = kTalosTpmTokenType, .readable = false, .namesSlot = false}};
inline constexpr std::array kRecoveryTokens{TokenType{.name = kRecoveryTokenType}};

inline constexpr std::array<std::string_view, 2> kStaticFields{"passphrase", "passphraseFile"};
inline constexpr std::array<std::string_view, 4> kKmsFields{"endpoint", "caFile", "clientCertFile",
                                                            "clientKeyFile"};
inline constexpr std::array<std::string_view, 6> kTpmFields{
    "options", "pcrs", "signedPolicy", "publicKey", "checkSecurebootStatusOnEnroll", "tcti"};
inline constexpr std::array<std::string_view, 1> kTpmFiles{"publicKey"};

}  // namespace key_kinds

inline constexpr std::array kKeyKinds{
    KeyKindRow{.kind = KeyKind::Static,
               .name = "static",
               .declarable = true,
               .inTalos = true,
               .fields = key_kinds::kStaticFields,
               .files = std::span(key_kinds::kStaticFields).subspan<1>(),
               .howToChange = "Change the passphrase where it is declared, then run "
                              "`volumecryptctl apply`."},
    KeyKindRow{.kind = KeyKind::NodeId,
               .name = "nodeID",
               .declarable = true,
               .inTalos = true,
               .ofVolumeName = true,
               .howToChange = "It follows from this machine's UUID and the volume's ID: declare a "
                              "key of another kind, then run `volumecryptctl apply`."},
    KeyKindRow{.kind = KeyKind::Kms,
               .name = "kms",
               .declarable = true,
               .inTalos = true,
               .sealed = true,
               .machineMade = true,
               .reach = KeyReach::Network,
               .tryingOrder = 2,
               .tokens = key_kinds::kKmsTokens,
               .tokenTakesSlotNumber = true,
               .fields = key_kinds::kKmsFields,
               .files = std::span(key_kinds::kKmsFields).subspan<1>()},
    KeyKindRow{.kind = KeyKind::Tpm,
               .name = "tpm",
               .declarable = true,
               .inTalos = true,
               .sealed = true,
               .machineMade = true,
               .reach = KeyReach::TpmDevice,
               .tryingOrder = 0,
               .tokens = key_kinds::kTpmTokens,
               .fields = key_kinds::kTpmFields,
               .files = key_kinds::kTpmFiles},
    KeyKindRow{.kind = KeyKind::Passphrase, .name = "passphrase", .addable = true},
    KeyKindRow{.kind = KeyKind::Recovery,
               .name = "recovery",
               .addable = true,
               .machineMade = true,
               .tokens = key_kinds::kRecoveryTokens},
    // Somebody else's.
    KeyKindRow{.kind = KeyKind::Unmanaged, .name = "unmanaged", .declarable = true},
    KeyKindRow{.kind = KeyKind::Unknown, .name = "unknown"},
};

constexpr const KeyKindRow &rowOf(KeyKind kind) {
    return kKeyKinds.at(static_cast<std::size_t>(kind));
}

constexpr std::string_view keyKindName(KeyKind kind) {
    return rowOf(kind).name;
}
std::optional<KeyKind> keyKindFromName(std::string_view name);
// The same, of the kinds of which this is so.
std::optional<KeyKind> keyKindFromName(std::string_view name, bool KeyKindRow::*property);

struct KindToken {
    KeyKind kind;
    const TokenType &type;
};
// The kind whose tokens are of this type; nothing for somebody else's.
std::optional<KindToken> kindOfToken(std::string_view type);

// "kms or tpm": the names of the kinds of which this is so, for people.
std::string kindNames(bool KeyKindRow::*property, std::string_view lastWord);

}  // namespace volumecrypt::model
