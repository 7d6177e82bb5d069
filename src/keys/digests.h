// SPDX-License-Identifier: Apache-2.0
// SHA-256, HMAC and HKDF by OpenSSL, and what the record derives with them. Digests are 32 bytes in
// a std::string: none of them is a secret, except the derived keys, which are SecretBuffers.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/secret_buffer.h"

namespace volumecrypt::keys {

inline constexpr std::size_t kDigestSize = 32;

// These abort when OpenSSL fails at SHA-256: nothing sensible can follow.
std::string sha256(std::string_view bytes);
std::string hmacSha256(const base::SecretBuffer &key, std::string_view bytes);

// HKDF-SHA-256 (RFC 5869), empty salt, 32 bytes.
base::SecretBuffer hkdfSha256(const base::SecretBuffer &key, std::string_view info);

// Base64 (RFC 4648, padded): what the key slot of a sealed key is made from, as in Talos and
// systemd.
base::SecretBuffer base64Text(const base::SecretBuffer &secret);

// K of the record: HKDF(volume key, "volumecrypt check v1").
base::SecretBuffer recordKey(const base::SecretBuffer &volumeKey);

// HMAC-SHA-256(K, slot || passphrase || areaDigest), slot as one byte.
std::string slotCheck(const base::SecretBuffer &recordKey, unsigned slot,
                      const base::SecretBuffer &passphrase, std::string_view areaDigest);

// HMAC-SHA-256(K, "volumecrypt machine v1" || 0 || UUID): recognises a machine, for who has the
// volume key. A digest that anybody could compute would let whoever has the disk try UUIDs at no
// cost, and with them the nodeID keys that are made of them.
std::string machineMark(const base::SecretBuffer &recordKey, std::string_view uuid);

// HMAC-SHA-256(volume key, "volumecrypt pin v1"): recognises a volume key without holding it.
std::string pinDigest(const base::SecretBuffer &volumeKey);

// HMAC-SHA-256(volume key, "volumecrypt pin v2" || 0 || text): whoever changes the text needs the
// volume key.
std::string pinMac(const base::SecretBuffer &volumeKey, std::string_view text);

}  // namespace volumecrypt::keys
