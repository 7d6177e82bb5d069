// SPDX-License-Identifier: Apache-2.0
// Parsing with CLI11; usage errors end with status 64.
#include "engine/options.h"

#include <array>
#include <iostream>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include "build_config.h"
#include "engine/exit_status.h"

namespace volumecrypt::engine {
namespace {

constexpr std::array<std::pair<Verb, const char *>, 13> kVerbs{{
    {Verb::Inspect, "inspect"},
    {Verb::Plan, "plan"},
    {Verb::Attach, "attach"},
    {Verb::Detach, "detach"},
    {Verb::Format, "format"},
    {Verb::Sync, "sync"},
    {Verb::AddKey, "add-key"},
    {Verb::RemoveKey, "remove-key"},
    {Verb::Rotate, "rotate"},
    {Verb::Wipe, "wipe"},
    {Verb::Erase, "erase"},
    {Verb::Forget, "forget"},
    {Verb::Tpm, "tpm"},
}};

constexpr const char *kFooter =
    "Verbs:\n"
    "  inspect     show what the volume's device holds: state, cipher, key slots; changes nothing\n"
    "  plan        show the steps that sync would take; changes nothing\n"
    "  attach      unlock the volume; encrypt and format its device first when that is blank\n"
    "  detach      lock the volume\n"
    "  format      write a new LUKS2 header to a blank device or file\n"
    "  sync        make the key slots equal to the declared keys\n"
    "  add-key     add the passphrase from --secret-fd in a slot that is not declared\n"
    "  remove-key  remove the added key in --slot\n"
    "  rotate      make the kms or tpm key in --slot anew\n"
    "  wipe        give up what the device holds, so that the next attach formats it\n"
    "  erase       destroy every key slot: the data can never be read again\n"
    "  forget      drop what is remembered of the volume, to accept another one in its place\n"
    "  tpm         show the TPM, and whether it would open the volume (without ID: all volumes)\n"
    "\n"
    "Exit status: 0 done or nothing to do; 1 error; 2 plan has steps; 64 wrong usage; 75 failed, "
    "worth retrying.\n";

struct Raw {
    std::string verb, id, root, tcti, confirm, output = "text", kind = "passphrase";
    std::vector<std::string> configDirs;
    int secretFd = -1, unlockFd = -1, slot = -1;
    std::string kmsHelper = std::string(VOLUMECRYPT_LIBEXECDIR) + "/volumecrypt-kms";
    bool force = false, verify = false, testKdf = false;
};

void declare(CLI::App &app, Raw &raw) {
    std::vector<std::string> verbs;
    verbs.reserve(kVerbs.size());
    for (const auto &entry : kVerbs) verbs.emplace_back(entry.second);
    app.set_version_flag("--version", std::string("volumecrypt-engine ") + VOLUMECRYPT_VERSION);
    app.add_option("VERB", raw.verb, "what to do")->required()->check(CLI::IsMember(verbs));
    app.add_option("ID", raw.id, "the volume: STATE, EPHEMERAL, u-NAME, r-NAME or s-NAME");
    app.add_option("--root", raw.root, "prefix of every system path that is read or written");
    app.add_option("--config-dir", raw.configDirs,
                   "configuration directory, replaces the default ones; may be repeated, the first "
                   "hides later ones");
    app.add_option("--tcti", raw.tcti, "TPM interface, as tpm2-tss names it");
    app.add_option("--secret-fd", raw.secretFd,
                   "file descriptor (pipe, memfd, file) with a passphrase of the volume")
        ->check(CLI::NonNegativeNumber);
    app.add_option("--output", raw.output, "text, or json: one object a line")
        ->check(CLI::IsMember({"text", "json"}));
    app.add_option("--unlock-fd", raw.unlockFd,
                   "add-key: file descriptor with a passphrase that opens the volume")
        ->check(CLI::NonNegativeNumber);
    app.add_option("--kind", raw.kind, "add-key: what the new key is")
        ->check(CLI::IsMember({"passphrase", "recovery"}));
    app.add_option("--slot", raw.slot, "remove-key, rotate: the key slot")
        ->check(CLI::Range(0, 31));
    app.add_option("--confirm", raw.confirm, "wipe, erase, forget: the volume's ID once more");
    app.add_flag("--force", raw.force, "format: overwrite what is on the device");
    app.add_flag("--verify", raw.verify, "sync, plan: really open every slot");
    app.add_option("--kms-helper", raw.kmsHelper)->group("");
    app.add_flag("--test-kdf", raw.testKdf)->group("");
    app.footer(kFooter);
}

Verb verbFrom(const std::string &name) {
    for (const auto &[verb, text] : kVerbs)
        if (name == text) return verb;
    return Verb::Inspect;
}

int usageError(const std::string &message) {
    std::cerr << "volumecrypt-engine: " << message << "\nTry 'volumecrypt-engine --help'.\n";
    return kExitUsage;
}

bool needsConfirmation(Verb verb) {
    return verb == Verb::Wipe || verb == Verb::Erase || verb == Verb::Forget;
}

// Options that go with other verbs only, or that are missing; empty when all is well.
std::string misuse(const Options &options) {
    const Verb verb = options.verb;
    if (options.force && verb != Verb::Format) return "--force goes with format only";
    if (options.verify && verb != Verb::Sync && verb != Verb::Plan)
        return "--verify goes with sync and plan only";
    if (options.unlockFd && verb != Verb::AddKey) return "--unlock-fd goes with add-key only";
    const bool needsSlot = verb == Verb::RemoveKey || verb == Verb::Rotate;
    if (options.slot.has_value() != needsSlot)
        return options.slot ? "--slot goes with remove-key and rotate only"
                            : verbName(verb) + " needs --slot";
    if (verb == Verb::AddKey && !options.secretFd) return "add-key needs --secret-fd";
    if (needsConfirmation(verb) && options.confirm != options.id.text())
        return verbName(verb) + " needs --confirm " + options.id.text() +
               ": nothing can bring back what it gives up";
    return {};
}

}  // namespace

std::string verbName(Verb verb) {
    for (const auto &[value, text] : kVerbs)
        if (value == verb) return text;
    return "inspect";
}

std::variant<Options, int> parseOptions(int argc, const char *const *argv) {
    CLI::App app("One operation on one VolumeCrypt volume.", "volumecrypt-engine");
    Raw raw;
    declare(app, raw);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError &error) {
        if (error.get_exit_code() == 0) return app.exit(error);
        return usageError(error.what());
    }
    const bool allVolumes = raw.verb == verbName(Verb::Tpm) && raw.id.empty();
    if (raw.id.empty() && !allVolumes) return usageError("ID is required");
    auto id = allVolumes ? model::VolumeId::state() : model::VolumeId::parse(raw.id);
    if (!id) return usageError(id.error().message + ". " + id.error().hint);
    Options options{.verb = verbFrom(raw.verb),
                    .id = std::move(*id),
                    .allVolumes = allVolumes,
                    .paths = model::SystemPaths(raw.root, raw.configDirs),
                    .tcti = raw.tcti,
                    .kmsHelper = raw.kmsHelper,
                    .secretFd = {},
                    .output = raw.output == "json" ? OutputFormat::Json : OutputFormat::Text,
                    .force = raw.force,
                    .verify = raw.verify};
    if (raw.secretFd >= 0) options.secretFd = raw.secretFd;
    if (raw.unlockFd >= 0) options.unlockFd = raw.unlockFd;
    if (raw.slot >= 0) options.slot = static_cast<unsigned>(raw.slot);
    if (raw.testKdf) options.cost = luks::KdfCost::Minimal;
    options.confirm = raw.confirm;
    options.kind = *model::keyKindFromName(raw.kind);
    if (const std::string problem = misuse(options); !problem.empty()) return usageError(problem);
    return options;
}

}  // namespace volumecrypt::engine
