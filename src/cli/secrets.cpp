// SPDX-License-Identifier: Apache-2.0
// Each is handed on as a descriptor.
#include "cli/secrets.h"

namespace volumecrypt::cli {

using base::Result;
using base::UniqueFd;

Result<UniqueFd> secretFromFile(const std::string &path) {
    VC_ASSIGN(const base::SecretBuffer secret, readSecretFile(path));
    return base::secretToMemfd(secret);
}

Result<UniqueFd> givenSecret(Session &session) {
    const auto &file = session.arguments().secretFile;
    if (!file) return UniqueFd();
    if (isTyped(*file)) VC_TRY(session.mayType());
    return secretFromFile(*file);
}

Result<UniqueFd> secretFromPerson(Terminal &terminal, const std::string &volume) {
    VC_ASSIGN(const base::SecretBuffer secret,
              terminal.askSecret("Passphrase for " + printable(volume) + ": "));
    return base::secretToMemfd(secret);
}

base::Error noTerminal() {
    return {base::ErrorCode::InvalidConfig, "there is no terminal to ask for a passphrase on",
            "Give it with --secret-file FILE, or --secret-file - on standard input."};
}

}  // namespace volumecrypt::cli
