// SPDX-License-Identifier: Apache-2.0
// Finding the machine's TPM, and taking turns on one without resource manager.
#include "tpm/access.h"

#include <cerrno>
#include <chrono>
#include <functional>
#include <thread>

#include <sys/file.h>

#include <fcntl.h>
#include <unistd.h>

#include "base/files.h"

namespace volumecrypt::tpm {
namespace {

using base::ErrorCode;

constexpr const char *kManaged = "/dev/tpmrm0";
constexpr const char *kRaw = "/dev/tpm0";

bool exists(const std::string &path) {
    return ::access(path.c_str(), F_OK) == 0;
}

bool waitFor(int waitMs, const std::function<bool()> &done) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(waitMs);
    while (!done()) {
        if (std::chrono::steady_clock::now() >= end) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    return true;
}

// The firmware's tables say so before the kernel has found the chip.
bool isAnnounced(const model::SystemPaths &paths) {
    return exists(paths.below("/sys/firmware/acpi/tables/TPM2")) ||
           exists(paths.below("/sys/class/tpm/tpm0"));
}

bool isVersionOne(const model::SystemPaths &paths) {
    const auto major = base::readFile(paths.below("/sys/class/tpm/tpm0/tpm_version_major"), 64);
    return major && major->starts_with("1");
}

}  // namespace

base::Result<std::string> chooseTcti(const Access &access) {
    if (!access.tcti.empty()) return access.tcti;
    if (isVersionOne(access.paths))
        return base::fail(ErrorCode::Unsupported, "the TPM of this machine is version 1.2",
                          "TPM keys need a TPM 2.0; some firmware can switch. Declare another key "
                          "kind otherwise.");
    const auto there = [&] { return exists(access.paths.below(kManaged)); };
    if (!there() && isAnnounced(access.paths)) (void)waitFor(access.waitMs, there);
    if (there()) return "device:" + access.paths.below(kManaged);
    if (exists(access.paths.below(kRaw))) return "device:" + access.paths.below(kRaw);
    return base::fail(ErrorCode::TpmUnavailable, "this machine has no TPM (no /dev/tpmrm0)",
                      "Turn the TPM on in the firmware, or declare another key kind.");
}

bool isResourceManaged(const std::string &tcti) {
    return tcti.starts_with("tabrmd") || tcti.find("/tpmrm") != std::string::npos;
}

base::Result<base::UniqueFd> lockTpm(const Access &access, const std::string &tcti) {
    if (isResourceManaged(tcti)) return base::UniqueFd();
    VC_TRY(base::makeDirectories(access.paths.lockDir(), 0755));
    VC_ASSIGN(base::UniqueFd lock,
              base::openFile(access.paths.lockDir() + "/tpm", O_RDWR | O_CREAT, 0600));
    int failure = 0;
    const bool taken = waitFor(access.waitMs, [&] {
        if (::flock(lock.get(), LOCK_EX | LOCK_NB) == 0) return true;
        failure = errno;
        return failure != EWOULDBLOCK && failure != EINTR;
    });
    if (!taken) {
        base::Error error;
        error.code = ErrorCode::Busy;
        error.message = "another program uses the TPM, which has no resource manager";
        error.hint = "Try again when it is done.";
        return base::fail(std::move(error).withRetry());
    }
    if (failure != 0 && failure != EWOULDBLOCK && failure != EINTR)
        return base::fail(base::errnoError("lock the TPM", failure));
    return lock;
}

}  // namespace volumecrypt::tpm
