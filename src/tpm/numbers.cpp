// SPDX-License-Identifier: Apache-2.0
// Big-endian numbers as bytes.
#include "tpm/policy.h"

namespace volumecrypt::tpm {

std::string u16(std::uint16_t value) {
    return {static_cast<char>(value >> 8U), static_cast<char>(value & 0xFFU)};
}

std::string u32(std::uint32_t value) {
    return u16(static_cast<std::uint16_t>(value >> 16U)) +
           u16(static_cast<std::uint16_t>(value & 0xFFFFU));
}

}  // namespace volumecrypt::tpm
