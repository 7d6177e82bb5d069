// SPDX-License-Identifier: Apache-2.0
// Runs a task in a child process, with a pipe and a deadline.
#include "tpm/bounded.h"

#include <cerrno>
#include <csignal>
#include <exception>
#include <string>
#include <string_view>

#include <sys/prctl.h>
#include <sys/wait.h>

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "base/foreign_json.h"
#include "base/scope_exit.h"
#include "base/unique_fd.h"

namespace volumecrypt::tpm {
namespace {

using base::ErrorCode;
using base::SecretBuffer;
using Json = nlohmann::json;

constexpr std::size_t kLongestAnswer = std::size_t{64} << 10;
// The first byte of an answer.
constexpr char kValue = 'v';
constexpr char kError = 'e';

SecretBuffer encoded(const base::Result<SecretBuffer> &result) {
    if (result) return SecretBuffer::copyOf(std::string_view(&kValue, 1)).appended(result->bytes());
    return SecretBuffer::copyOf(
        kError + base::toJson(result.error()).dump(-1, ' ', true, Json::error_handler_t::replace));
}

base::Result<SecretBuffer> decoded(const SecretBuffer &answer) {
    if (answer.chars()[0] == kValue) return SecretBuffer::copyOf(answer.bytes().subspan(1));
    return base::fail(
        base::errorIn(base::parseForeignJson({answer.chars() + 1, answer.size() - 1})));
}

base::Result<SecretBuffer> guarded(const std::function<base::Result<SecretBuffer>()> &task) {
    try {
        return task();
    } catch (const std::exception &exception) {
        return base::fail(ErrorCode::Internal,
                          std::string("unexpected exception: ") + exception.what());
    }
}

// Not SIG_IGN, which programs that tpm2-tss starts (its `cmd` interface) would inherit.
void ignore(int /*number*/) {}

[[noreturn]] void child(int fd, const std::function<base::Result<SecretBuffer>()> &task) {
    (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);
    // Whoever wants this to end tells the parent.
    for (const int number : {SIGTERM, SIGINT, SIGPIPE}) (void)::signal(number, ignore);
    const SecretBuffer answer = encoded(guarded(task));
    std::span<const std::byte> rest = answer.bytes();
    while (!rest.empty()) {
        const ssize_t written = ::write(fd, rest.data(), rest.size());
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) ::_exit(1);
        rest = rest.subspan(static_cast<std::size_t>(written));
    }
    ::_exit(0);
}

base::Error noAnswer(const base::Error &cause) {
    return base::Error(ErrorCode::TpmUnavailable, "the TPM did not answer: " + cause.message,
                       "The machine's power has to go off and on when a TPM hangs.")
        .withRetry();
}

}  // namespace

base::Result<SecretBuffer> runBounded(int timeoutMs,
                                      const std::function<base::Result<SecretBuffer>()> &task) {
    int ends[2] = {-1, -1};
    if (::pipe2(ends, O_CLOEXEC) < 0) return base::fail(base::errnoError("make a pipe", errno));
    const base::UniqueFd readEnd(ends[0]);
    base::UniqueFd writeEnd(ends[1]);
    const pid_t process = ::fork();
    if (process < 0) return base::fail(base::errnoError("start a process", errno));
    if (process == 0) child(writeEnd.get(), task);
    const base::ScopeExit reaper([process] {
        (void)::kill(process, SIGKILL);
        while (::waitpid(process, nullptr, 0) < 0 && errno == EINTR) {
        }
    });
    writeEnd.reset();
    const auto answer = base::readSecret(readEnd.get(), kLongestAnswer, timeoutMs);
    if (!answer) return base::fail(noAnswer(answer.error()));
    return decoded(*answer);
}

}  // namespace volumecrypt::tpm
