// SPDX-License-Identifier: Apache-2.0
// STATE's encryption as META keeps it: the JSON that Talos writes, in both of its layouts.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "base/secret_buffer.h"

namespace volumecrypt::meta {

// The fields that Talos writes, and no others: META is writable by whoever holds the disk, so there
// is no member for a file, an interface or a program. What else stands there is not read.
struct StaticKey {
    base::SecretBuffer data;
};
struct NodeIdKey {};
struct KmsKey {
    std::string endpoint;
};
struct TpmOptions {
    std::optional<std::vector<unsigned>> pcrs;
};
struct TpmKey {
    std::optional<TpmOptions> options;
    std::optional<bool> checkSecurebootStatusOnEnroll;
};
struct Key {
    unsigned slot = 0;
    std::variant<StaticKey, NodeIdKey, KmsKey, TpmKey> kind;
    std::optional<bool> lockToState;
};
struct StateEncryption {
    std::vector<Key> keys;  // in the order of the document
    std::string cipher;     // empty: the usual one
    std::uint64_t keyBits = 0;
    std::uint64_t sectorSize = 0;
    std::optional<std::vector<std::string>> options;
    std::optional<bool> allowDiscards;
};

// The text that Talos 1.14 writes, byte for byte. nullptr: `null`, a plain volume. InvalidConfig
// when a passphrase is no UTF-8.
base::Result<base::SecretBuffer> formatStateEncryption(const StateEncryption *encryption);

// Nothing for `null` and for the provider none. HeaderCorrupt. The values are as they are there:
// specOf checks them.
base::Result<std::optional<StateEncryption>> parseStateEncryption(std::string_view json);

// For people: what was read, with the passphrases left out.
std::string redactedStateEncryption(std::string_view json);

// The error of a tag 9 that cannot be used.

// `what` repeats nothing that META says: it may be a passphrase, or made to be printed.
inline tl::unexpected<base::Error> unusable(const std::string &what) {
    return base::fail(base::ErrorCode::HeaderCorrupt,
                      "error unmarshalling state encryption meta key: " + what,
                      "Declare the encryption of STATE in the configuration: it is then saved to "
                      "META anew.");
}

}  // namespace volumecrypt::meta
