// SPDX-License-Identifier: Apache-2.0
// A recovery key is worth something only when somebody has written it down: it is typed back before
// it opens anything.
#include "cli/recovery.h"

#include <string_view>

#include <fmt/format.h>
#include <langinfo.h>

#include "base/recovery_key.h"
#include "cli/exit_code.h"
#include "cli/key_adder.h"
#include "cli/qr_code.h"
#include "cli/text.h"

namespace volumecrypt::cli {
namespace {

using base::ErrorCode;
using base::SecretBuffer;
using base::UniqueFd;

constexpr int kAttempts = 3;
constexpr int kKeyTimeoutMs = 10'000;

bool terminalIsUtf8() {
    return std::string_view(::nl_langinfo(CODESET)) == "UTF-8";
}

void show(Terminal &terminal, const std::string &volume, const SecretBuffer &key) {
    terminal.say("The new recovery key of " + printable(volume) + ":\n\n    ");
    terminal.saySecret(key);
    terminal.say("\n\n");
    if (terminalIsUtf8())
        if (const auto code = qrCode(key)) {
            terminal.saySecret(*code);
            terminal.say("\n");
        }
    terminal.say(
        "Write it down and keep it away from this machine: it opens the volume without "
        "any other key.\nIt is enrolled once you have typed it back.\n");
}

base::Result<unsigned> enrol(Session &session, Terminal &terminal) {
    const std::string &id = session.arguments().volume;
    VC_ASSIGN(const UniqueFd handedOut, session.client().newRecoveryKey(id));
    VC_ASSIGN(const SecretBuffer key,
              base::readSecret(handedOut.get(), base::kLongestSecret, kKeyTimeoutMs));
    show(terminal, id, key);
    for (int attempt = 1;; ++attempt) {
        VC_ASSIGN(const SecretBuffer typed, terminal.askSecret("Type the recovery key: "));
        VC_ASSIGN(const UniqueFd fd, base::secretToMemfd(typed));
        auto slot = session.client().addKey(id, "recovery", fd);
        const bool again = !slot && slot.error().code == ErrorCode::KeyRejected;
        if (!again || attempt == kAttempts)
            return addOpening(session, "recovery", fd, std::move(slot));
        terminal.say("That is not the key above.\n");
    }
}

}  // namespace

int runAddRecoveryKey(Session &session) {
    const Arguments &arguments = session.arguments();
    auto person = session.person();
    if (!person)
        return reportUsage("a recovery key is shown on a terminal and typed back there",
                           "Run it from a terminal.");
    const auto slot = enrol(session, *person);
    if (!slot) return reportError(arguments, arguments.volume, slot.error());
    session.result(fmt::format("{}: the recovery key is in slot {}", arguments.volume, *slot),
                   std::to_string(*slot), {{"volume", arguments.volume}, {"slot", *slot}});
    return kExitDone;
}

base::Result<UniqueFd> askRecoveryKey(Terminal &terminal, const std::string &volume) {
    for (int attempt = 1;; ++attempt) {
        VC_ASSIGN(const SecretBuffer typed,
                  terminal.askSecret("Recovery key of " + printable(volume) + ": "));
        const auto key = base::normalizeRecoveryKey(typed);
        if (key) return base::secretToMemfd(*key);
        if (attempt == kAttempts) return base::fail(base::Error(key.error()));
        terminal.say(key.error().message + ". " + key.error().hint + "\n");
    }
}

}  // namespace volumecrypt::cli
