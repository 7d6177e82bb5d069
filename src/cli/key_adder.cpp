// SPDX-License-Identifier: Apache-2.0
// Asks for the passphrase that opens a volume: three tries for a person, none for a file.
#include "cli/key_adder.h"

#include <cerrno>

#include <unistd.h>

#include "base/error.h"
#include "cli/secrets.h"
#include "cli/text.h"

namespace volumecrypt::cli {
namespace {

using base::ErrorCode;
using base::Result;
using base::UniqueFd;

constexpr int kAsked = 3;

bool needsOpening(const base::Error &error) {
    return error.code == ErrorCode::NoUsableKey || base::isKeyWithheld(error.code);
}

Result<unsigned> addBy(Session &session, const std::string &kind, const UniqueFd &secret,
                       const UniqueFd &opening) {
    // It was read to its end before.
    if (::lseek(secret.get(), 0, SEEK_SET) < 0)
        return base::fail(base::errnoError("hand the key on again", errno));
    return session.client().addKey(session.arguments().volume, kind, secret, opening);
}

Result<unsigned> addByPerson(Session &session, const std::string &kind, const UniqueFd &secret,
                             Terminal &person) {
    const std::string question =
        "A passphrase that opens " + printable(session.arguments().volume) + " now: ";
    for (int attempt = 1;; ++attempt) {
        VC_ASSIGN(const base::SecretBuffer typed, person.askSecret(question));
        VC_ASSIGN(const UniqueFd opening, base::secretToMemfd(typed));
        auto slot = addBy(session, kind, secret, opening);
        const bool again = !slot && slot.error().code == ErrorCode::KeyRejected;
        if (!again || attempt == kAsked) return slot;
        person.say("It does not fit.\n");
    }
}

}  // namespace

Result<unsigned> addOpening(Session &session, const std::string &kind, const UniqueFd &secret,
                            Result<unsigned> tried) {
    if (tried || !needsOpening(tried.error())) return tried;
    const Arguments &arguments = session.arguments();
    if (arguments.unlockFile) {
        VC_ASSIGN(const UniqueFd opening, secretFromFile(*arguments.unlockFile));
        return addBy(session, kind, secret, opening);
    }
    if (auto person = session.person()) {
        person->say(printable(tried.error().message) + "\n");
        return addByPerson(session, kind, secret, *person);
    }
    base::Error error = std::move(tried).error();
    error.hint = "Give a passphrase that opens it with --unlock-file FILE." +
                 (error.hint.empty() ? "" : "\n" + error.hint);
    return base::fail(std::move(error));
}

}  // namespace volumecrypt::cli
