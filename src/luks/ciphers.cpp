// SPDX-License-Identifier: Apache-2.0
// The list of known ciphers.
#include "luks/ciphers.h"

#include <algorithm>

namespace volumecrypt::luks {
namespace {

const std::vector<Cipher> &allCiphers() {
    static const std::vector<Cipher> ciphers{
        {.name = "aes-xts-plain64", .keyBits = {256, 512}},
        {.name = "xchacha12,aes-adiantum-plain64", .keyBits = {256}},
        {.name = "xchacha20,aes-adiantum-plain64", .keyBits = {256}},
    };
    return ciphers;
}

}  // namespace

bool Cipher::allows(unsigned bits) const {
    return std::ranges::find(keyBits, bits) != keyBits.end();
}

const Cipher *findCipher(std::string_view name) {
    const auto found = std::ranges::find(allCiphers(), name, &Cipher::name);
    return found == allCiphers().end() ? nullptr : &*found;
}

std::string cipherNames() {
    std::string text;
    for (const Cipher &cipher : allCiphers()) {
        if (!text.empty()) text += ", ";
        text += cipher.name;
    }
    return text;
}

}  // namespace volumecrypt::luks
