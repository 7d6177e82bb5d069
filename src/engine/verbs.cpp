// SPDX-License-Identifier: Apache-2.0
// The table of verbs: one row a verb.
#include "engine/verbs.h"

#include <algorithm>
#include <array>

namespace volumecrypt::engine {
namespace {

using volume::Verb;

constexpr auto kVerbs = std::to_array<VerbRow>({
    {.verb = Verb::Inspect,
     .name = "inspect",
     .help = "show what the volume's device holds: state, cipher, key slots; changes nothing",
     .run = inspect,
     .changesNothing = true},
    {.verb = Verb::Plan,
     .name = "plan",
     .help = "show the steps that sync would take; changes nothing",
     .run = plan,
     .changesNothing = true},
    {.verb = Verb::Attach,
     .name = "attach",
     .help = "unlock the volume; encrypt and format its device first when that is blank",
     .run = attach},
    {.verb = Verb::Detach, .name = "detach", .help = "lock the volume", .run = detach},
    {.verb = Verb::Format,
     .name = "format",
     .help = "write a new LUKS2 header to a blank device or file",
     .run = format},
    {.verb = Verb::Sync,
     .name = "sync",
     .help = "make the key slots equal to the declared keys",
     .run = sync},
    {.verb = Verb::Grow,
     .name = "grow",
     .help = "let mapping and mounted file system follow a device that became larger",
     .run = grow},
    {.verb = Verb::BackupHeader,
     .name = "backup-header",
     .help = "write a backup of the LUKS2 header to --header-fd",
     .run = backupHeader,
     .takesBackup = true},
    {.verb = Verb::RestoreHeader,
     .name = "restore-header",
     .help = "write the header backup from --header-fd to the device of a locked volume",
     .run = restoreHeader,
     .takesBackup = true},
    {.verb = Verb::AddKey,
     .name = "add-key",
     .help = "add the passphrase from --secret-fd in a slot that is not declared",
     .run = addKey},
    {.verb = Verb::RemoveKey,
     .name = "remove-key",
     .help = "remove the added key in --slot",
     .run = removeKey,
     .needsSlot = true},
    {.verb = Verb::Rotate,
     .name = "rotate",
     .help = "make the sealed key in --slot anew",
     .run = rotateKey,
     .needsSlot = true},
    {.verb = Verb::Encrypt,
     .name = "encrypt",
     .help = "encrypt the plain file system on the device where it is; its data stays",
     .run = encrypt},
    {.verb = Verb::Decrypt,
     .name = "decrypt",
     .help = "decrypt a volume that is declared plain where it is; its data stays",
     .run = decrypt},
    {.verb = Verb::Reencrypt,
     .name = "reencrypt",
     .help = "encrypt the data anew under a new volume key, or go on with that",
     .run = reencrypt},
    {.verb = Verb::Wipe,
     .name = "wipe",
     .help = "give up what the device holds, so that the next attach formats it",
     .run = wipe,
     .needsConfirmation = true},
    {.verb = Verb::Erase,
     .name = "erase",
     .help = "destroy every key slot: the data can never be read again",
     .run = erase,
     .needsConfirmation = true},
    {.verb = Verb::Forget,
     .name = "forget",
     .help = "drop what is remembered of the volume, to accept another one in its place",
     .run = forget,
     .needsConfirmation = true},
    {.verb = Verb::Tpm,
     .name = "tpm",
     .help = "show the TPM, and whether it would open the volume (without ID: all volumes)",
     .runWithoutVolume = reportTpm},
});

constexpr std::size_t indexOf(Verb verb) {
    return static_cast<std::size_t>(verb);
}

// A verb without a row, or one in the wrong place, does not compile. (Nor would a look at the
// functions, where the sanitizers are.)
consteval bool isComplete() {
    for (std::size_t i = 0; i < kVerbs.size(); ++i)
        if (indexOf(kVerbs[i].verb) != i) return false;
    return kVerbs.size() == indexOf(Verb::Tpm) + 1;
}
static_assert(isComplete());

}  // namespace

std::span<const VerbRow> verbs() {
    return kVerbs;
}

const VerbRow &verbRow(Verb verb) {
    return kVerbs.at(indexOf(verb));
}

const VerbRow *findVerb(std::string_view name) {
    const auto row = std::ranges::find(kVerbs, name, &VerbRow::name);
    return row == kVerbs.end() ? nullptr : &*row;
}

}  // namespace volumecrypt::engine
