// SPDX-License-Identifier: Apache-2.0
// Capabilities, user, Landlock and system calls of volumecrypt-kms.
#include "kms/sandbox.h"

#include <cerrno>
#include <cstdint>
#include <utility>

#include <linux/capability.h>
#include <linux/landlock.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <fcntl.h>
#include <grp.h>
#include <unistd.h>

#include "base/unique_fd.h"

namespace volumecrypt::kms {
namespace {

// Nobody's, not even `nobody`'s, as whom other programs run: Debian reserves it, and systemd gives
// it to none of its dynamic users.
constexpr uid_t kUser = 65529;

// What glibc reads to find a host, and OpenSSL and gRPC to start: never /etc as a whole, in which
// the passphrases of the configuration are.
constexpr const char *kReadable[] = {
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/nsswitch.conf",
    "/etc/host.conf",
    "/etc/gai.conf",
    "/etc/ssl",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/usr",
    "/lib",
    "/lib64",
    "/run/systemd/resolve",
    "/dev/urandom",
    "/proc/cpuinfo",
    "/etc/services",
    "/sys/devices/system/cpu",
};

constexpr std::uint64_t kRead = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
constexpr std::uint64_t kHandled =
    kRead | LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE |
    LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR |
    LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK |
    LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM;

void allowReading(int ruleset, const char *path) {
    // What is not there need not be allowed.
    const base::UniqueFd fd(::open(path, O_PATH | O_CLOEXEC));
    if (!fd.valid()) return;
    landlock_path_beneath_attr rule{.allowed_access = kRead, .parent_fd = fd.get()};
    if (::syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0)
        return;
    // A plain file has no directory rights.
    rule.allowed_access = LANDLOCK_ACCESS_FS_READ_FILE;
    (void)::syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
}

// Older kernels, and those without it, do without.
void restrictFiles() {
    const landlock_ruleset_attr attributes{.handled_access_fs = kHandled};
    const base::UniqueFd ruleset(static_cast<int>(
        ::syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0)));
    if (!ruleset.valid()) return;
    for (const char *path : kReadable) allowReading(ruleset.get(), path);
    (void)::syscall(SYS_landlock_restrict_self, ruleset.get(), 0);
}

bool dropCapabilities() {
    __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    const __user_cap_data_struct none[2] = {};
    return ::syscall(SYS_capset, &header, none) == 0;
}

// Root without any capability is still the owner of files and processes, and somebody to whom
// services listen.
base::Status leaveRoot() {
    if (::geteuid() != 0 && ::getuid() != 0) return {};
    if (::setgroups(0, nullptr) == 0 && ::setresgid(kUser, kUser, kUser) == 0 &&
        ::setresuid(kUser, kUser, kUser) == 0)
        return {};
    return base::fail(
        base::ErrorCode::Unsupported,
        "volumecrypt-kms must not run as root, and may not become another user: " +
            base::errnoError("setresuid", errno).message,
        "Its unit needs CapabilityBoundingSet=CAP_SETUID CAP_SETGID, as volumecrypt-generator "
        "writes "
        "it for volumes with kms keys: run `systemctl daemon-reload`, and look for drop-ins that "
        "take it away.");
}

}  // namespace

base::Status enterSandbox() {
    const rlimit noCore{.rlim_cur = 0, .rlim_max = 0};
    (void)::setrlimit(RLIMIT_CORE, &noCore);
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return base::fail(base::errnoError("give up new privileges", errno));
    restrictFiles();
    VC_TRY(leaveRoot());
    if (!dropCapabilities()) return base::fail(base::errnoError("give up the capabilities", errno));
    // After the change of user, which sets it again.
    (void)::prctl(PR_SET_DUMPABLE, 0);
    return restrictSystemCalls();
}

}  // namespace volumecrypt::kms
