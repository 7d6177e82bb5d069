// SPDX-License-Identifier: Apache-2.0
// Copies of a volume's header that are kept while something is done to it: 0600, in the early state
// directory, below backups/. Whoever has one can use the keys that are in it for good, removed ones
// too: so it goes as soon as it is not needed.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"
#include "luks/header_backup.h"
#include "volume/session.h"

namespace volumecrypt::volume {

// What a copy is kept for; part of its name, so that one does not take another's place.
namespace kept_for {
inline constexpr std::string_view kVolumeKey = "volume-key";  // before a new volume key
inline constexpr std::string_view kEncrypt = "encrypt";
inline constexpr std::string_view kDecrypt = "decrypt";
inline constexpr std::string_view kRestore = "restore";    // what was there before a restore
inline constexpr std::string_view kRestored = "restored";  // what is restored
}  // namespace kept_for

// The header as it is now, validated, in the form of luksHeaderBackup; on the disk when this
// returns. It replaces an earlier one that was kept for the same. The file's path. Errors as
// copyHeader, or as rememberEarly.
base::Result<std::string> keepBackup(const Session &session, std::string_view keptFor);
// The same, of a header in memory: the first `size` bytes of a memfd, whatever they are.
base::Result<std::string> keepBackup(const Session &session, std::string_view keptFor, int memory,
                                     std::uint64_t size);

// Whether there is one. Io when that cannot be found out.
base::Result<bool> hasBackup(const Session &session, std::string_view keptFor);
// Open for reading. NotFound, Io.
base::Result<base::UniqueFd> openBackup(const Session &session, std::string_view keptFor);

// With what an interrupted write left of it. Absent is success.
base::Status dropBackup(const Session &session, std::string_view keptFor);
// Whatever they are kept for. How many there were.
base::Result<unsigned> dropBackups(const Session &session);

}  // namespace volumecrypt::volume
