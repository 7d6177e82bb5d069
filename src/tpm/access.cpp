// SPDX-License-Identifier: Apache-2.0
// Finding the machine's TPM, and taking turns on one without resource manager.
#include "tpm/access.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <thread>

#include <sys/file.h>
#include <sys/stat.h>

#include <fcntl.h>
#include <unistd.h>

#include "base/files.h"
#include "tpm/device.h"

namespace volumecrypt::tpm {
namespace {

using base::ErrorCode;

constexpr const char *kManaged = "/dev/tpmrm0";
constexpr const char *kRaw = "/dev/tpm0";

// Not access(), which a unit's DevicePolicy= refuses with the rest: then the device seems away.
bool exists(const std::string &path) {
    struct stat info {};
    return ::stat(path.c_str(), &info) == 0;
}

// From the kernel's finding the chip to its node in /dev; longer, and it is hidden.
constexpr int kNodeMs = 2'000;

// The firmware's tables say so before the kernel has found the chip.
bool isAnnounced(const model::SystemPaths &paths) {
    return exists(paths.below("/sys/firmware/acpi/tables/TPM2"));
}

bool isFound(const model::SystemPaths &paths) {
    return isInSysfs(paths, "tpmrm0") || isInSysfs(paths, "tpm0");
}

// However it is named: tpm2-tss takes `device` alone for it as well.
bool isMachines(const Access &access) {
    return access.tcti.empty() || access.tcti == "device" || access.tcti == "device:" ||
           access.tcti == "device:" + access.paths.below(kManaged);
}

base::Error noTpm(const Access &access) {
    if (isInSysfs(access.paths, "tpmrm0")) return deviceError(access.paths, kManaged, ENOENT);
    if (isInSysfs(access.paths, "tpm0")) return deviceError(access.paths, kRaw, ENOENT);
    base::Error error(ErrorCode::TpmUnavailable, "this machine has no TPM (no /dev/tpmrm0)",
                      "Turn the TPM on in the firmware, or declare another key kind.");
    if (!isAnnounced(access.paths)) return error;
    error.message = "the firmware announces a TPM, but the kernel has found none (no /dev/tpmrm0)";
    error.hint =
        "Its driver may be missing, or fail: `journalctl -b -k` shows what the kernel says of it.";
    return error;
}

bool isVersionOne(const model::SystemPaths &paths) {
    const auto major = base::readFile(paths.below("/sys/class/tpm/tpm0/tpm_version_major"), 64);
    return major && major->starts_with("1");
}

}  // namespace

bool waitFor(int waitMs, const std::function<bool()> &done) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(waitMs);
    while (!done()) {
        if (std::chrono::steady_clock::now() >= end) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    return true;
}

base::Result<std::string> chooseTcti(const Access &access) {
    if (!isMachines(access)) return access.tcti;
    if (isVersionOne(access.paths))
        return base::fail(ErrorCode::Unsupported, "the TPM of this machine is version 1.2",
                          "TPM keys need a TPM 2.0; some firmware can switch. Declare another key "
                          "kind otherwise.");
    const auto there = [&] { return exists(access.paths.below(kManaged)); };
    const auto found = [&] { return there() || isFound(access.paths); };
    if (!found() && isAnnounced(access.paths)) (void)waitFor(access.waitMs, found);
    if (!there() && found()) (void)waitFor(std::min(access.waitMs, kNodeMs), there);
    if (there()) return "device:" + access.paths.below(kManaged);
    if (exists(access.paths.below(kRaw))) return "device:" + access.paths.below(kRaw);
    return base::fail(noTpm(access));
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
        return base::fail(base::Error(ErrorCode::Busy,
                                      "another program uses the TPM, which has no resource manager",
                                      "Try again when it is done.")
                              .withRetry());
    }
    if (failure != 0 && failure != EWOULDBLOCK && failure != EINTR)
        return base::fail(base::errnoError("lock the TPM", failure));
    return lock;
}

}  // namespace volumecrypt::tpm
