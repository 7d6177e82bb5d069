// SPDX-License-Identifier: Apache-2.0
// What the record and the pin hold that only the volume key, or a passphrase, can make. All of it
// is 32 bytes in a std::string and no secret, but for the record's key.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/secret_buffer.h"

namespace volumecrypt::keys {

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
