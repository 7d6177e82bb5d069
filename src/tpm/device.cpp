// SPDX-License-Identifier: Apache-2.0
// Opens the TPM's device once, and says what its errno means for a TPM.
#include "tpm/device.h"

#include <cerrno>
#include <string_view>

#include <fcntl.h>
#include <unistd.h>

namespace volumecrypt::tpm {
namespace {

using base::ErrorCode;

constexpr std::string_view kPrefix = "device:";

// 0 when it opens.
int failureOf(const std::string &device) {
    const base::UniqueFd fd(::open(device.c_str(), O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
    return fd.valid() ? 0 : errno;
}

base::Error unavailable(std::string message, std::string hint) {
    return {ErrorCode::TpmUnavailable, std::move(message), std::move(hint)};
}

// `daemon-reload` runs volumecrypt-generator, which gives a unit what its volume's keys need.
std::string sandboxHint(const std::string &settings) {
    return "A sandbox keeps it out. Where it is that of the volume's unit, `systemctl "
           "daemon-reload` makes the units anew as the keys need them; then try again. If that is "
           "no help, `systemctl cat 'volumecrypt*'` shows which drop-in sets " +
           settings + ".";
}

base::Error refused(const std::string &device, base::Error cause) {
    cause.code = ErrorCode::TpmUnavailable;
    cause.hint = ::geteuid() != 0
                     ? "Only root may open " + device + ": run the command as root."
                     : sandboxHint("DevicePolicy=, DeviceAllow= or CapabilityBoundingSet=");
    return cause;
}

base::Error missing(const model::SystemPaths &paths, const std::string &device) {
    if (isInSysfs(paths, device.substr(device.rfind('/') + 1)))
        return unavailable("this machine has a TPM, but " + device + " is hidden from this process",
                           sandboxHint("PrivateDevices=, or mounts a /dev of its own"));
    return unavailable("there is no TPM at " + device,
                       "Correct the key's `tcti`, or leave it out: it then is the machine's TPM.");
}

}  // namespace

bool isInSysfs(const model::SystemPaths &paths, const std::string &name) {
    const std::string folder = name.starts_with("tpmrm") ? "/sys/class/tpmrm/" : "/sys/class/tpm/";
    return ::access(paths.below(folder + name).c_str(), F_OK) == 0;
}

base::Error deviceError(const model::SystemPaths &paths, const std::string &device,
                        int errnoValue) {
    base::Error error;
    switch (errnoValue) {
        case EACCES:
        case EPERM:
            return refused(device, base::errnoError("this machine has a TPM, but " + device +
                                                        " may not be opened by this process",
                                                    errnoValue));
        case ENOENT:
        case ENOTDIR:
            return missing(paths, device);
        case EBUSY:
            error = base::errnoError("another program uses the TPM at " + device, errnoValue);
            error.hint = "Try again when it is done; `fuser -v " + device + "` shows which it is.";
            return std::move(error).withRetry();
        case ENXIO:
        case ENODEV:
            error = base::errnoError("the TPM at " + device + " is gone", errnoValue);
            break;
        default:
            error = base::errnoError("open the TPM at " + device, errnoValue);
    }
    error.code = ErrorCode::TpmUnavailable;
    error.hint = "`journalctl -b -k` shows what the kernel says of it.";
    return std::move(error).withRetry();
}

base::Status expectDevice(const Access &access, const std::string &tcti) {
    if (!tcti.starts_with(kPrefix)) return {};
    const std::string device = tcti.substr(kPrefix.size());
    int failure = 0;
    (void)waitFor(access.waitMs, [&] { return (failure = failureOf(device)) != EBUSY; });
    if (failure == 0) return {};
    return base::fail(deviceError(access.paths, device, failure));
}

}  // namespace volumecrypt::tpm
