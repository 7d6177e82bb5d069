// SPDX-License-Identifier: Apache-2.0
// volumecrypt-engine: one operation on one volume.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/journal.h"
#include "base/text.h"
#include "engine/command_line.h"
#include "engine/verbs.h"
#include "luks/kdf_cost.h"
#include "volume/kdf_lock.h"
#include "volume/reporter.h"
#include "volume/session.h"
#include "volume/stop.h"

namespace volumecrypt::engine {
namespace {

// The units say the same; a run by hand or as a child must not leave secrets behind either.
void protectProcess() {
    const rlimit none{.rlim_cur = 0, .rlim_max = 0};
    (void)::setrlimit(RLIMIT_CORE, &none);
    (void)::prctl(PR_SET_DUMPABLE, 0);
    (void)::umask(077);
}

base::Result<volume::Outcome> runGuarded(const VerbRow &verb, volume::Session &session) {
    // Adapters let no exception out; what comes here is a bug or memory that ran out, and must not
    // end in a core dump.
    try {
        return verb.run(session);
    } catch (const std::exception &exception) {
        return base::fail(base::ErrorCode::Internal,
                          std::string("unexpected exception: ") + exception.what());
    }
}

// The only entry of it: volumecryptd, for which the lines are, adds none of its own.
void logFailure(const volume::Session &session, const base::Error &error) {
    if (session.options().changesNothing) return;
    base::Fields fields{{"MESSAGE_ID", std::string(base::message_id::kOperationFailed)},
                        {"VOLUME", session.id().text()},
                        {"OPERATION", session.options().verbName},
                        {"CODE", std::string(base::errorName(error.code))}};
    if (error.slot) fields.emplace_back("SLOT", std::to_string(*error.slot));
    base::log(base::Severity::Error,
              "volume " + session.id().text() + ": " + session.options().verbName +
                  " failed: " + error.message,
              fields);
}

// A disk that is unplugged answers with I/O errors before the kernel takes its device away.
base::Error unlessUnplugged(const volume::Session &session, base::Error error) {
    if (error.code != base::ErrorCode::Io || !session.hasDevice() ||
        !blockdev::awaitRemoval(session.device(), std::chrono::seconds(1)))
        return error;
    return base::Error(base::ErrorCode::NotFound,
                       session.describe() + " was unplugged: " + error.message,
                       "Plug it in again; it is unlocked by itself then.")
        .withRetry();
}

// Whatever the error: who reads it in the emergency shell wants to get out of there.
base::Error withWayOn(const volume::Session &session, base::Error error) {
    if (!session.holdsUpBoot() || error.code == base::ErrorCode::Cancelled) return error;
    if (!error.hint.empty()) error.hint = base::sentence(std::move(error.hint)) + " ";
    error.hint +=
        "In the emergency shell, `systemctl default` goes on with the boot once that is mended.";
    return error;
}

int run(const volume::Options &options) {
    const VerbRow &verb = verbRow(options.verb);
    if (verb.runWithoutVolume != nullptr) return verb.runWithoutVolume(options);
    volume::Reporter reporter(options.verbName, options.id.text(), options.output);
    if (!verb.changesNothing)
        reporter.leaveOutcome(options.paths.outcome(options.id, options.verbName));
    volume::KdfLock kdfLock(options, reporter);
    luks::setKdfTurn([&kdfLock](std::uint64_t memoryKiB) { return kdfLock.await(memoryKiB); });
    volume::Session session(options, reporter);
    auto outcome = runGuarded(verb, session);
    if (outcome) return reporter.result(*outcome);
    // Raised where nothing is known of the volume.
    if (outcome.error().code == base::ErrorCode::Cancelled)
        outcome = base::fail(std::move(outcome).error().because(session.describe()));
    const base::Error error =
        withWayOn(session, unlessUnplugged(session, std::move(outcome).error()));
    if (options.output == volume::OutputFormat::Json) logFailure(session, error);
    return reporter.error(error);
}

// By now all is said, closed and wiped; what libraries would free one by one goes with the process.
[[noreturn]] void leave(int status) {
    std::fflush(nullptr);
#ifdef VOLUMECRYPT_QUICK_EXIT
    std::_Exit(status);
#else
    std::exit(status);
#endif
}

}  // namespace
}  // namespace volumecrypt::engine

int main(int argc, char **argv) {
    using namespace volumecrypt;
    engine::protectProcess();
    volume::watchForStop();
    const auto options = engine::parseOptions(argc, argv);
    if (const int *status = std::get_if<int>(&options)) return *status;
    engine::leave(engine::run(std::get<volume::Options>(options)));
}
