// SPDX-License-Identifier: Apache-2.0
// The way into libcryptsetup: handles, captured log texts, and the one translation of its results.
#pragma once

#include <string>

#include <libcryptsetup.h>

#include "base/result.h"
#include "base/scope_exit.h"

namespace volumecrypt::luks {

// It holds a header as it was when it was read: one per operation on a device, and kept only for a
// copy, which nobody changes.
using CryptDevice = base::CHandle<crypt_device, crypt_free>;

// Without reading anything. Io, NotFound.
base::Result<CryptDevice> openDevice(const std::string &path);
// With the header apart from the data.
base::Result<CryptDevice> openDevice(const std::string &header, const std::string &data);

// Opens and reads the header; a damaged copy of the header is repaired from the whole one.
// HeaderCorrupt when libcryptsetup finds no valid header, Io.
base::Result<CryptDevice> loadHeader(const std::string &path);

// "2.6.1", as the library that runs says; empty when it does not. Known once a header was loaded.
std::string libraryVersion();

// The Error of a negative result: WHAT, the text of the errno, libcryptsetup's last words.
// `invalid` is what EINVAL stands for in this call.
base::Error libraryError(const std::string &what, int result,
                         base::ErrorCode invalid = base::ErrorCode::Io);

// A path by which libcryptsetup can open a memfd, as long as the descriptor lives.
std::string memoryPath(int memory);

}  // namespace volumecrypt::luks
