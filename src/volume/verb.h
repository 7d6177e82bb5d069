// SPDX-License-Identifier: Apache-2.0
// The verbs of the engine. What each is called and does: engine/verbs.cpp, a row for each.
#pragma once

namespace volumecrypt::volume {

enum class Verb {
    Inspect,
    Plan,
    Attach,
    Detach,
    Format,
    Sync,
    Grow,
    BackupHeader,
    RestoreHeader,
    AddKey,
    RemoveKey,
    Rotate,
    Encrypt,
    Decrypt,
    Reencrypt,
    Wipe,
    Erase,
    Forget,
    Tpm
};

}  // namespace volumecrypt::volume
