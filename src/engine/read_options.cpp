// SPDX-License-Identifier: Apache-2.0
// What the engine's words mean together; usage errors end with status 64.

#include <cstdio>
#include <utility>

#include "build_config.h"
#include "engine/command_line.h"
#include "engine/verbs.h"
#include "volume/options.h"

namespace volumecrypt::engine {
namespace {

int usageError(const std::string &message) {
    std::fprintf(stderr, "volumecrypt-engine: %s\nTry 'volumecrypt-engine --help'.\n",
                 message.c_str());
    return volume::kExitUsage;
}

// Which descriptors a verb has to be given, and how.
std::string misuseOfDescriptors(const volume::Options &options) {
    const bool adds = options.verb == volume::Verb::AddKey;
    const bool restores = options.verb == volume::Verb::RestoreHeader;
    if (options.secretsFrom && !adds && !restores)
        return "--secrets-from goes with add-key and restore-header only";
    if (options.secretsFrom && (options.secretFd || options.unlockFd || options.headerFd))
        return std::string("--secrets-from takes the place of --secret-fd and ") +
               (adds ? "--unlock-fd" : "--header-fd");
    if (adds && !options.secretFd && !options.secretsFrom)
        return "add-key needs --secret-fd or --secrets-from";
    if (verbRow(options.verb).takesBackup && !options.headerFd && !options.secretsFrom)
        return options.verbName + " needs --header-fd";
    return {};
}

// Options that go with other verbs only, or that are missing; empty when all is well.
std::string misuse(const volume::Options &options) {
    const volume::Verb verb = options.verb;
    if (options.force && verb != volume::Verb::Format) return "--force goes with format only";
    if (options.verify && verb != volume::Verb::Sync && verb != volume::Verb::Plan)
        return "--verify goes with sync and plan only";
    if (options.adopt && verb != volume::Verb::Sync && verb != volume::Verb::Plan)
        return "--adopt goes with sync and plan only";
    if (options.unlockFd && verb != volume::Verb::AddKey)
        return "--unlock-fd goes with add-key only";
    if (options.rate != 0 && verb != volume::Verb::Encrypt && verb != volume::Verb::Decrypt &&
        verb != volume::Verb::Reencrypt)
        return "--rate goes with encrypt, decrypt and reencrypt only";
    const VerbRow &row = verbRow(verb);
    if (options.slot.has_value() != row.needsSlot)
        return options.slot ? "--slot goes with remove-key and rotate only"
                            : options.verbName + " needs --slot";
    if (options.headerFd && !row.takesBackup)
        return "--header-fd goes with backup-header and restore-header only";
    if (const std::string problem = misuseOfDescriptors(options); !problem.empty()) return problem;
    if (verb == volume::Verb::RestoreHeader && !options.confirm.empty() &&
        options.confirm != options.id.text())
        return "--confirm is not " + options.id.text();
    if (row.needsConfirmation && options.confirm != options.id.text())
        return options.verbName + " needs --confirm " + options.id.text() +
               ": nothing can bring back what it gives up";
    return {};
}

}  // namespace

std::variant<volume::Options, int> parseOptions(int argc, char **argv) {
    auto parsed = parseCommandLine(argc, argv);
    if (!parsed) return usageError(parsed.error().message);
    if (const Request *request = std::get_if<Request>(&*parsed)) {
        *request == Request::Help ? printHelp() : printVersion();
        return volume::kExitDone;
    }
    auto &line = std::get<CommandLine>(*parsed);
    const VerbRow *verb = findVerb(line.verb);
    if (!verb) return usageError(line.verb + " is no verb");
    const bool allVolumes = verb->runWithoutVolume != nullptr && line.id.empty();
    if (line.id.empty() && !allVolumes) return usageError("ID is required");
    auto id = allVolumes ? model::VolumeId::state() : model::VolumeId::parse(line.id);
    if (!id) return usageError(id.error().message + ". " + id.error().hint);
    volume::Options options{
        .verb = verb->verb,
        .verbName = verb->name,
        .changesNothing = verb->changesNothing,
        .id = std::move(*id),
        .allVolumes = allVolumes,
        .paths = model::SystemPaths(std::move(line.root), std::move(line.configDirs)),
        .tcti = std::move(line.tcti),
        .kmsHelper = line.kmsHelper.empty() ? std::string(VOLUMECRYPT_LIBEXECDIR "/volumecrypt-kms")
                                            : std::move(line.kmsHelper),
        .secretFd = line.secretFd,
        .unlockFd = line.unlockFd,
        .headerFd = line.headerFd,
        .secretsFrom = line.secretsFrom,
        .slot = line.slot,
        .confirm = std::move(line.confirm),
        .kind = line.kind,
        .output = line.json ? volume::OutputFormat::Json : volume::OutputFormat::Text,
        .force = line.force,
        .verify = line.verify,
        .adopt = line.adopt,
        .rate = line.rate.value_or(0),
        .cost = line.testKdf ? luks::KdfCost::Minimal : luks::KdfCost::Library};
    if (const std::string problem = misuse(options); !problem.empty()) return usageError(problem);
    return options;
}

}  // namespace volumecrypt::engine
