// SPDX-License-Identifier: Apache-2.0
// The filter of system calls, by libseccomp.
#include <cerrno>
#include <cstdint>
#include <initializer_list>

#include <linux/netlink.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <seccomp.h>
#include <unistd.h>

#include "base/scope_exit.h"
#include "kms/sandbox.h"

namespace volumecrypt::kms {
namespace {

// The handle is a pointer to nothing that is declared.
using Filter = base::CHandle<void, seccomp_release>;

// Whatever their arguments are.
constexpr const char *kAllowed[] = {
    // Descriptors, most of them open already.
    "read", "readv", "pread64", "write", "writev", "close", "lseek", "_llseek", "poll", "ppoll",
    "ppoll_time64", "select", "_newselect", "pselect6", "epoll_create1", "epoll_ctl", "epoll_wait",
    "epoll_pwait", "epoll_pwait2", "eventfd2", "pipe2", "fstat", "fstat64", "getdents64",
    // Names of files; opening is below.
    "stat", "stat64", "lstat", "lstat64", "newfstatat", "fstatat64", "statx", "access", "faccessat",
    "faccessat2", "readlink", "readlinkat", "getcwd", "statfs", "fstatfs",
    // Sockets, which are made below; nobody is ever accepted.
    "connect", "bind", "getsockname", "getpeername", "getsockopt", "setsockopt", "shutdown", "send",
    "sendto", "sendmsg", "sendmmsg", "recv", "recvfrom", "recvmsg", "recvmmsg", "recvmmsg_time64",
    // Memory; executable one is below.
    "brk", "munmap", "mremap", "madvise", "mlock", "mlock2", "munlock", "membarrier",
    // Threads and time.
    "futex", "futex_time64", "set_robust_list", "rseq", "gettid", "sched_yield",
    "sched_getaffinity", "sched_getparam", "sched_getscheduler", "getcpu", "nanosleep",
    "clock_nanosleep", "clock_nanosleep_time64", "clock_gettime", "clock_gettime64", "clock_getres",
    "clock_getres_time64", "gettimeofday", "time", "restart_syscall", "exit", "exit_group",
    "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigreturn", "sigaltstack",
    // About itself and the machine.
    "getpid", "getppid", "getuid", "geteuid", "getgid", "getegid", "getuid32", "geteuid32",
    "getgid32", "getegid32", "getresuid", "getresgid", "capget", "getrlimit", "ugetrlimit", "uname",
    "sysinfo", "getrandom"};

// O_TMPFILE has the bit of O_DIRECTORY as well.
constexpr std::uint64_t kWriting = O_ACCMODE | O_CREAT | O_TRUNC | (O_TMPFILE & ~O_DIRECTORY);
// "SOCK_STREAM | SOCK_CLOEXEC" is a stream.
constexpr std::uint64_t kSocketKind = ~std::uint64_t{SOCK_CLOEXEC | SOCK_NONBLOCK} & 0xffffffff;
constexpr std::uint64_t kNewNamespaces = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |
                                         CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWCGROUP;

using Comparisons = std::initializer_list<scmp_arg_cmp>;

scmp_arg_cmp equals(unsigned argument, std::uint64_t value) {
    return {.arg = argument, .op = SCMP_CMP_EQ, .datum_a = value, .datum_b = 0};
}
// Of the bits of `mask` exactly those of `value`.
scmp_arg_cmp has(unsigned argument, std::uint64_t mask, std::uint64_t value) {
    return {.arg = argument, .op = SCMP_CMP_MASKED_EQ, .datum_a = mask, .datum_b = value};
}

class Rules {
  public:
    explicit Rules(void *filter) : filter_(filter) {}
    // A call that this machine does not have needs no rule.
    void allow(const char *name, Comparisons comparisons = {}) {
        const int call = seccomp_syscall_resolve_name(name);
        if (call == __NR_SCMP_ERROR) return;
        const int code = seccomp_rule_add_array(filter_, SCMP_ACT_ALLOW, call,
                                                static_cast<unsigned>(comparisons.size()),
                                                std::data(comparisons));
        if (code < 0 && error_ == 0) error_ = -code;
    }
    [[nodiscard]] int error() const { return error_; }

  private:
    void *filter_;
    int error_ = 0;
};

// No unix sockets, by which services of this machine are reached, nor pairs of them: one end of a
// pair could be connected to another address. Netlink only to ask for addresses, as getaddrinfo
// does.
void allowSockets(Rules &rules) {
    for (const int family : {AF_INET, AF_INET6})
        for (const int protocol : {0, static_cast<int>(IPPROTO_TCP), static_cast<int>(IPPROTO_UDP)})
            for (const int kind : {SOCK_STREAM, SOCK_DGRAM})
                rules.allow("socket", {equals(0, static_cast<std::uint64_t>(family)),
                                       has(1, kSocketKind, static_cast<std::uint64_t>(kind)),
                                       equals(2, static_cast<std::uint64_t>(protocol))});
    rules.allow("socket",
                {equals(0, AF_NETLINK), has(1, kSocketKind, SOCK_RAW), equals(2, NETLINK_ROUTE)});
}

// Files are only read; code only comes from files, as the C library's modules for names do.
void allowFilesAndMemory(Rules &rules) {
    rules.allow("open", {has(1, kWriting, O_RDONLY)});
    rules.allow("openat", {has(2, kWriting, O_RDONLY)});
    // Not F_SETOWN, which sends signals.
    for (const int command : {F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD, F_DUPFD_CLOEXEC})
        for (const char *name : {"fcntl", "fcntl64"})
            rules.allow(name, {equals(1, static_cast<std::uint64_t>(command))});
    for (const std::uint64_t request : {std::uint64_t{FIONREAD}, std::uint64_t{FIONBIO},
                                        std::uint64_t{SIOCGIFINDEX}, std::uint64_t{SIOCGIFNAME}})
        rules.allow("ioctl", {equals(1, request)});
    for (const char *name : {"mmap", "mmap2"}) {
        rules.allow(name, {has(2, PROT_EXEC, 0)});
        rules.allow(name, {has(2, PROT_EXEC | PROT_WRITE, PROT_EXEC), has(3, MAP_ANONYMOUS, 0)});
    }
    rules.allow("mprotect", {has(2, PROT_EXEC, 0)});
}

// Threads, no processes; signals to itself, as abort sends one; limits only to be read.
void allowThreads(Rules &rules) {
    const auto self = static_cast<std::uint64_t>(::getpid());
    // Where clone takes its flags second.
#if defined(__s390__) || defined(__CRIS__)
    constexpr unsigned flags = 1;
#else
    constexpr unsigned flags = 0;
#endif
    rules.allow("clone", {has(flags, CLONE_THREAD | kNewNamespaces, CLONE_THREAD)});
    rules.allow("tgkill", {equals(0, self)});
    rules.allow("prlimit64", {equals(0, 0), equals(2, 0)});
    for (const int option : {PR_SET_NAME, PR_GET_DUMPABLE, PR_GET_NO_NEW_PRIVS})
        rules.allow("prctl", {equals(0, static_cast<std::uint64_t>(option))});
}

base::Status failure(int error) {
    return base::fail(
        base::ErrorCode::Unsupported,
        "volumecrypt-kms " + base::errnoError("cannot restrict its system calls", error).message,
        "It needs a kernel with CONFIG_SECCOMP_FILTER, and a unit whose SystemCallFilter= lets it "
        "use seccomp or prctl.");
}

}  // namespace

base::Status restrictSystemCalls() {
    const Filter filter(seccomp_init(SCMP_ACT_ERRNO(ENOSYS)));
    if (!filter) return failure(ENOMEM);
    Rules rules(filter.get());
    for (const char *name : kAllowed) rules.allow(name);
    allowSockets(rules);
    allowFilesAndMemory(rules);
    allowThreads(rules);
    if (rules.error() != 0) return failure(rules.error());
    const int code = seccomp_load(filter.get());
    if (code < 0) return failure(-code);
    return {};
}

}  // namespace volumecrypt::kms
