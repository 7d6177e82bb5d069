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
#include "engine/read_options.h"
#include "engine/tpm_report.h"
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

base::Result<volume::Outcome> runVerb(volume::Session &session) {
    switch (session.options().verb) {
        case volume::Verb::Inspect:
            return inspect(session);
        case volume::Verb::Plan:
            return plan(session);
        case volume::Verb::Attach:
            return attach(session);
        case volume::Verb::Detach:
            return detach(session);
        case volume::Verb::Format:
            return format(session);
        case volume::Verb::Sync:
            return sync(session);
        case volume::Verb::Grow:
            return grow(session);
        case volume::Verb::AddKey:
            return addKey(session);
        case volume::Verb::RemoveKey:
            return removeKey(session);
        case volume::Verb::Rotate:
            return rotateKey(session);
        case volume::Verb::Wipe:
            return wipe(session);
        case volume::Verb::Erase:
            return erase(session);
        case volume::Verb::Forget:
            return forget(session);
        case volume::Verb::Tpm:
            break;  // of no volume in particular: see run
    }
    return base::fail(base::ErrorCode::Internal, "the verb has no implementation");
}

base::Result<volume::Outcome> runGuarded(volume::Session &session) {
    // Adapters let no exception out; what comes here is a bug or memory that ran out, and must not
    // end in a core dump.
    try {
        return runVerb(session);
    } catch (const std::exception &exception) {
        return base::fail(base::ErrorCode::Internal,
                          std::string("unexpected exception: ") + exception.what());
    }
}

void logFailure(const volume::Session &session, const base::Error &error) {
    if (session.options().verb == volume::Verb::Inspect ||
        session.options().verb == volume::Verb::Plan)
        return;
    base::log(base::Severity::Error,
              "volume " + session.id().text() + ": " + volume::verbName(session.options().verb) +
                  " failed: " + error.message,
              {{"MESSAGE_ID", std::string(base::message_id::kOperationFailed)},
               {"VOLUME", session.id().text()},
               {"OPERATION", volume::verbName(session.options().verb)},
               {"CODE", std::string(base::errorName(error.code))}});
}

// A disk that is unplugged answers with I/O errors before the kernel takes its device away.
base::Error unlessUnplugged(const volume::Session &session, base::Error error) {
    if (error.code != base::ErrorCode::Io || !session.hasDevice() ||
        !blockdev::awaitRemoval(session.device(), std::chrono::seconds(1)))
        return error;
    base::Error gone;
    gone.code = base::ErrorCode::NotFound;
    gone.message = session.describe() + " was unplugged: " + error.message;
    gone.hint = "Plug it in again; it is unlocked by itself then.";
    return std::move(gone).withRetry();
}

int run(const volume::Options &options) {
    if (options.verb == volume::Verb::Tpm) return reportTpm(options);
    volume::Reporter reporter(options.verb, options.id.text(), options.output);
    if (options.verb != volume::Verb::Inspect && options.verb != volume::Verb::Plan)
        reporter.leaveOutcome(options.paths.outcome(options.id, volume::verbName(options.verb)));
    volume::KdfLock kdfLock(options, reporter);
    luks::setKdfTurn([&kdfLock](std::uint64_t memoryKiB) { return kdfLock.await(memoryKiB); });
    volume::Session session(options, reporter);
    auto outcome = runGuarded(session);
    if (outcome) return reporter.result(*outcome);
    // Raised where nothing is known of the volume.
    if (outcome.error().code == base::ErrorCode::Cancelled)
        outcome = base::fail(std::move(outcome).error().because(session.describe()));
    const base::Error error = unlessUnplugged(session, std::move(outcome).error());
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
