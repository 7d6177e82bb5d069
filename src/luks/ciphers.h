// SPDX-License-Identifier: Apache-2.0
// The ciphers that data and key slots may be encrypted with.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace volumecrypt::luks {

struct Cipher {
    std::string_view name;  // as in the header: aes-xts-plain64
    std::vector<unsigned> keyBits;

    [[nodiscard]] bool allows(unsigned bits) const;
};

// Null when it is not one of ours.
const Cipher *findCipher(std::string_view name);
// "a, b, c": for messages.
std::string cipherNames();

}  // namespace volumecrypt::luks
