// SPDX-License-Identifier: Apache-2.0
// The system calls that are left to volumecrypt-kms.
#pragma once

#include "base/result.h"

namespace volumecrypt::kms {

// For this thread and every later one: what reading files, memory, threads and IP sockets take, and
// nothing that changes a file, reaches another process or leads to a program. Every other call
// fails as in a kernel that does not have it, so that the C library takes its way around it. Needs
// no privilege after PR_SET_NO_NEW_PRIVS. Unsupported, Io.
base::Status restrictSystemCalls();

}  // namespace volumecrypt::kms
