// SPDX-License-Identifier: Apache-2.0
// Derivations of the volume key. Each has a label of its own: none can be taken for another.
#include "keys/derivations.h"

#include "crypto/digest.h"

namespace volumecrypt::keys {

using crypto::hmacSha256;

base::SecretBuffer recordKey(const base::SecretBuffer &volumeKey) {
    return crypto::hkdfSha256(volumeKey, "volumecrypt check v1");
}

std::string slotCheck(const base::SecretBuffer &recordKey, unsigned slot,
                      const base::SecretBuffer &passphrase, std::string_view areaDigest) {
    const char number = static_cast<char>(slot);
    const base::SecretBuffer message =
        base::SecretBuffer::copyOf(std::string_view(&number, 1))
            .appended(passphrase.bytes())
            .appended(std::as_bytes(std::span(areaDigest.data(), areaDigest.size())));
    return hmacSha256(recordKey, {message.chars(), message.size()});
}

std::string machineMark(const base::SecretBuffer &recordKey, std::string_view uuid) {
    std::string message("volumecrypt machine v1");
    message += '\0';
    message += uuid;
    return hmacSha256(recordKey, message);
}

std::string pinDigest(const base::SecretBuffer &volumeKey) {
    return hmacSha256(volumeKey, "volumecrypt pin v1");
}

std::string pinMac(const base::SecretBuffer &volumeKey, std::string_view text) {
    std::string message("volumecrypt pin v2");
    message += '\0';
    message += text;
    return hmacSha256(volumeKey, message);
}

}  // namespace volumecrypt::keys
