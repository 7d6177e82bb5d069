// SPDX-License-Identifier: Apache-2.0
// Numbers as TPM structures have them.
#pragma once

#include <cstdint>
#include <string>

namespace volumecrypt::tpm {

// Big endian.
std::string u16(std::uint16_t value);
std::string u32(std::uint32_t value);

}  // namespace volumecrypt::tpm
