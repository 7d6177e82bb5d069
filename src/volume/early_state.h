// SPDX-License-Identifier: Apache-2.0
// The early state directory, /etc/volumecrypt/state: what attach must know before anything is
// mounted. A directory that cannot be looked into is an error, and never taken for an empty one.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "volume/session.h"

namespace volumecrypt::volume {

// Absent is success. Io when the directory, or one in it, is a link, is no directory, can be
// changed by others, or cannot be opened.
base::Status checkEarlyState(const Session &session);

// Whether there is something at `path`: in the directory, or where earlier versions kept it. Io
// when that cannot be found out.
base::Result<bool> isRemembered(const std::string &path);

// Writes a file (0600) below the directory. Io also when the directory lies where a volume is
// mounted: the next attach, which comes before the mount, would not see the file.
base::Status rememberEarly(const Session &session, const std::string &path, std::string_view text);

// Absent is success.
base::Status forgetFile(const std::string &path);

}  // namespace volumecrypt::volume
