// SPDX-License-Identifier: Apache-2.0
// Gives up everything that speaking to a KMS does not need.
#pragma once

#include "base/result.h"

namespace volumecrypt::kms {

// For the rest of the process: a user that nobody else is, where it was started by root; no
// capabilities, no new privileges, no core dumps; only the system calls of restrictSystemCalls; and
// where the kernel has Landlock, no file but those that name resolution and TLS read. An error when
// one of them cannot be had, but for Landlock. Call it when every certificate has been read, and
// before there are threads.
base::Status enterSandbox();

// The system calls that are left to volumecrypt-kms.

// For this thread and every later one: what reading files, memory, threads and IP sockets take, and
// nothing that changes a file, reaches another process or leads to a program. Every other call
// fails as in a kernel that does not have it, so that the C library takes its way around it. Needs
// no privilege after PR_SET_NO_NEW_PRIVS. Unsupported, Io.
base::Status restrictSystemCalls();

}  // namespace volumecrypt::kms
