// SPDX-License-Identifier: Apache-2.0
// What volumecrypt-kms can still do once it has locked itself up: each test enters the real sandbox
// in a process of its own, and tries as somebody would who has taken that over.
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <thread>

#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <linux/netlink.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <dlfcn.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sched.h>
#include <seccomp.h>
#include <unistd.h>

#include "kms/sandbox.h"
#include "support/result_matchers.h"
#include "support/temp_dir.h"

namespace volumecrypt::test {
namespace {

// As whom it runs when root starts it.
constexpr uid_t kUser = 65529;

int statusOf(const std::function<bool()> &fact) {
    const pid_t pid = ::fork();
    if (pid == 0) {
        if (!kms::enterSandbox()) ::_exit(2);
        ::_exit(fact() ? 0 : 1);
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    return status;
}

// Whether `fact` holds in a process in the sandbox.
bool holdsInside(const std::function<bool()> &fact) {
    const int status = statusOf(fact);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// A call that the filter does not know, rather than one that happens to fail.
bool isRefused(long result) {
    return result < 0 && errno == ENOSYS;
}

#define EXPECT_REFUSED_INSIDE(expression) \
    EXPECT_TRUE(holdsInside([&] { return isRefused(expression); })) << #expression

bool opens(const std::string &path, int flags) {
    const int fd = ::open(path.c_str(), flags | O_CLOEXEC, 0600);
    if (fd < 0) return false;
    ::close(fd);
    return true;
}

// A process of the sandbox's own user.
class Victim {
  public:
    Victim() : pid_(::fork()) {
        if (pid_ != 0) return;
        if (::getuid() == 0) (void)!::setresuid(kUser, kUser, kUser);
        (void)::prctl(PR_SET_DUMPABLE, 1);
        ::pause();
        ::_exit(0);
    }
    Victim(const Victim &) = delete;
    Victim &operator=(const Victim &) = delete;
    Victim(Victim &&) = delete;
    Victim &operator=(Victim &&) = delete;
    ~Victim() {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
    [[nodiscard]] pid_t pid() const { return pid_; }

  private:
    pid_t pid_;
};

TEST(KmsSandbox, HasNoPrivileges) {
    EXPECT_TRUE(holdsInside([] {
        __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
        __user_cap_data_struct data[2] = {};
        return ::syscall(SYS_capget, &header, data) == 0 &&
               (data[0].effective | data[0].permitted | data[1].effective | data[1].permitted) == 0;
    }));
    EXPECT_TRUE(holdsInside([] { return ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1; }));
    EXPECT_TRUE(holdsInside([] { return ::prctl(PR_GET_DUMPABLE) == 0; }));
    if (::getuid() == 0) {
        EXPECT_TRUE(holdsInside([] {
            uid_t user[3] = {};
            gid_t group[3] = {};
            return ::getresuid(&user[0], &user[1], &user[2]) == 0 &&
                   ::getresgid(&group[0], &group[1], &group[2]) == 0 && user[0] == kUser &&
                   user[1] == kUser && user[2] == kUser && group[0] == kUser && group[1] == kUser &&
                   group[2] == kUser;
        }));
    }
    EXPECT_REFUSED_INSIDE(::setuid(0));
    EXPECT_REFUSED_INSIDE(::setresgid(0, 0, 0));
}

// Neither root that may not change its user, nor system calls that may not be restricted.
TEST(KmsSandbox, IsWholeOrNotEntered) {
    const auto refuses = [](const std::function<bool()> &prepare) {
        const pid_t pid = ::fork();
        if (pid == 0) {
            if (!prepare()) ::_exit(2);
            const auto entered = kms::enterSandbox();
            ::_exit(!entered && entered.error().code == base::ErrorCode::Unsupported &&
                            !entered.error().hint.empty()
                        ? 0
                        : 1);
        }
        int status = 0;
        ::waitpid(pid, &status, 0);
        return WIFEXITED(status) && WEXITSTATUS(status) == 0;
    };
    EXPECT_TRUE(refuses([] {
        scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
        seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(seccomp), 0);
        seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(prctl), 1,
                         SCMP_A0(SCMP_CMP_EQ, PR_SET_SECCOMP));
        return seccomp_load(filter) == 0;
    }));
    if (::getuid() != 0) return;
    EXPECT_TRUE(refuses([] {
        __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
        const __user_cap_data_struct none[2] = {};
        return ::syscall(SYS_capset, &header, none) == 0;
    }));
}

TEST(KmsSandbox, FindsHostsAndRunsThreads) {
    EXPECT_TRUE(holdsInside([] { return opens("/etc/nsswitch.conf", O_RDONLY); }));
    EXPECT_TRUE(holdsInside([] { return opens("/usr", O_RDONLY | O_DIRECTORY); }));
    EXPECT_TRUE(holdsInside([] {
        addrinfo *found = nullptr;
        return ::getaddrinfo("localhost", "4050", nullptr, &found) == 0 && found != nullptr;
    }));
    // As the C library loads its modules for names.
    EXPECT_TRUE(holdsInside([] { return ::dlopen("libresolv.so.2", RTLD_NOW) != nullptr; }));
    EXPECT_TRUE(holdsInside([] {
        bool ran = false;
        std::thread([&ran] { ran = true; }).join();
        return ran;
    }));
    EXPECT_TRUE(holdsInside([] { return ::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0; }));
    const int aborted = statusOf([]() -> bool { std::abort(); });
    EXPECT_TRUE(WIFSIGNALED(aborted) && WTERMSIG(aborted) == SIGABRT);
}

TEST(KmsSandbox, SeesNoOtherFile) {
    const TempDir directory;
    const std::string path = directory.write("open", "to everybody");
    std::filesystem::permissions(directory.path(), std::filesystem::perms{0777});
    const bool landlock =
        ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION) > 0;
    EXPECT_EQ(holdsInside([&] { return !opens(path, O_RDONLY); }), landlock);
    EXPECT_EQ(holdsInside([] { return !opens("/etc/passwd", O_RDONLY); }), landlock);
}

// With or without Landlock; the file is its own.
TEST(KmsSandbox, ChangesNoFile) {
    const TempDir directory;
    const std::string file = directory.write("its own", "content");
    std::filesystem::permissions(directory.path(), std::filesystem::perms{0777});
    if (::getuid() == 0) {
        ASSERT_EQ(::chown(file.c_str(), kUser, kUser), 0);
    }
    const char *path = file.c_str();
    const std::string link = directory.file("new");
    for (const int flags : {O_WRONLY, O_RDWR, O_RDONLY | O_TRUNC, O_RDONLY | O_CREAT}) {
        EXPECT_REFUSED_INSIDE(::open(path, flags, 0600)) << flags;
        EXPECT_REFUSED_INSIDE(::syscall(SYS_openat, AT_FDCWD, path, flags, 0600)) << flags;
    }
    EXPECT_REFUSED_INSIDE(::open(directory.path().c_str(), O_TMPFILE | O_WRONLY, 0600));
    EXPECT_REFUSED_INSIDE(::syscall(SYS_openat2, AT_FDCWD, path, nullptr, 0));
    EXPECT_REFUSED_INSIDE(::chmod(path, 0666));
    EXPECT_REFUSED_INSIDE(::fchmodat(AT_FDCWD, path, 0666, 0));
    EXPECT_REFUSED_INSIDE(::fchmod(STDIN_FILENO, 0666));
    EXPECT_REFUSED_INSIDE(::chown(path, 0, 0));
    EXPECT_REFUSED_INSIDE(::truncate(path, 0));
    EXPECT_REFUSED_INSIDE(::ftruncate(STDIN_FILENO, 0));
    EXPECT_REFUSED_INSIDE(::unlink(path));
    EXPECT_REFUSED_INSIDE(::rename(path, link.c_str()));
    EXPECT_REFUSED_INSIDE(::link(path, link.c_str()));
    EXPECT_REFUSED_INSIDE(::symlink(path, link.c_str()));
    EXPECT_REFUSED_INSIDE(::mkdir(link.c_str(), 0777));
    EXPECT_REFUSED_INSIDE(::mknod(link.c_str(), S_IFIFO | 0666, 0));
    EXPECT_REFUSED_INSIDE(::utimensat(AT_FDCWD, path, nullptr, 0));
    EXPECT_REFUSED_INSIDE(::mount("none", "/tmp", "tmpfs", 0, nullptr));
    EXPECT_REFUSED_INSIDE(::chroot("/tmp"));
}

TEST(KmsSandbox, ReachesNoServiceOfThisMachine) {
    // Sockets of which it would only have to know the name: in a file, and abstract.
    EXPECT_REFUSED_INSIDE(::socket(AF_UNIX, SOCK_STREAM, 0));
    EXPECT_REFUSED_INSIDE(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    EXPECT_REFUSED_INSIDE(::socket(AF_UNIX, SOCK_SEQPACKET, 0));
    int pair[2];
    EXPECT_REFUSED_INSIDE(::socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    EXPECT_REFUSED_INSIDE(::socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
    // Every other family and kind.
    for (int family = 0; family < 64; ++family) {
        if (family == AF_INET || family == AF_INET6) continue;
        for (const int kind : {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET})
            EXPECT_REFUSED_INSIDE(::socket(family, kind, 0)) << family << " " << kind;
    }
    EXPECT_REFUSED_INSIDE(::socket(AF_NETLINK, SOCK_RAW, NETLINK_KOBJECT_UEVENT));
    EXPECT_REFUSED_INSIDE(::socket(AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG));
    EXPECT_REFUSED_INSIDE(::socket(AF_PACKET, SOCK_RAW, 0));
    EXPECT_REFUSED_INSIDE(::socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
    EXPECT_REFUSED_INSIDE(::socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP));
    EXPECT_REFUSED_INSIDE(::listen(::socket(AF_INET, SOCK_STREAM, 0), 1));
    EXPECT_REFUSED_INSIDE(::accept(STDIN_FILENO, nullptr, nullptr));
}

TEST(KmsSandbox, TouchesNoOtherProcess) {
    const Victim victim;
    const pid_t other = victim.pid();
    for (const int signal : {0, SIGSTOP, SIGTERM, SIGKILL}) {
        EXPECT_REFUSED_INSIDE(::kill(other, signal)) << signal;
        EXPECT_REFUSED_INSIDE(::kill(-1, signal)) << signal;
        EXPECT_REFUSED_INSIDE(::syscall(SYS_tkill, other, signal)) << signal;
        EXPECT_REFUSED_INSIDE(::syscall(SYS_tgkill, other, other, signal)) << signal;
    }
    siginfo_t info{};
    EXPECT_REFUSED_INSIDE(::syscall(SYS_rt_sigqueueinfo, other, SIGTERM, &info));
    EXPECT_REFUSED_INSIDE(::fcntl(STDIN_FILENO, F_SETOWN, other));
    int owner = other;
    EXPECT_REFUSED_INSIDE(::ioctl(STDIN_FILENO, FIOSETOWN, &owner));
    EXPECT_REFUSED_INSIDE(::ptrace(PTRACE_ATTACH, other, nullptr, nullptr));
    iovec part{};
    EXPECT_REFUSED_INSIDE(::process_vm_readv(other, &part, 1, &part, 1, 0));
    EXPECT_REFUSED_INSIDE(::process_vm_writev(other, &part, 1, &part, 1, 0));
    EXPECT_REFUSED_INSIDE(::syscall(SYS_pidfd_open, other, 0));
    EXPECT_REFUSED_INSIDE(::syscall(SYS_kcmp, other, other, 0, 0, 0));
    EXPECT_REFUSED_INSIDE(::setpriority(PRIO_PROCESS, static_cast<id_t>(other), 19));
    rlimit limit{};
    EXPECT_REFUSED_INSIDE(::prlimit(other, RLIMIT_CPU, nullptr, &limit));
    EXPECT_REFUSED_INSIDE(::prlimit(0, RLIMIT_NOFILE, &limit, nullptr));
    cpu_set_t processors;
    EXPECT_REFUSED_INSIDE(::sched_setaffinity(other, sizeof processors, &processors));
}

TEST(KmsSandbox, RunsNothing) {
    const std::array<char *, 1> none{nullptr};
    EXPECT_REFUSED_INSIDE(::execve("/bin/true", none.data(), none.data()));
    EXPECT_REFUSED_INSIDE(::syscall(SYS_execveat, STDIN_FILENO, "", nullptr, nullptr, 0));
    EXPECT_REFUSED_INSIDE(::fork());
    EXPECT_REFUSED_INSIDE(::syscall(SYS_clone, CLONE_VM | SIGCHLD, nullptr, nullptr, nullptr, 0));
    EXPECT_REFUSED_INSIDE(
        ::syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, nullptr, nullptr, nullptr, 0));
    EXPECT_REFUSED_INSIDE(::syscall(SYS_clone3, nullptr, 0));
    EXPECT_REFUSED_INSIDE(::unshare(CLONE_NEWUSER));
    EXPECT_REFUSED_INSIDE(::setns(STDIN_FILENO, 0));
    EXPECT_REFUSED_INSIDE(::memfd_create("code", 0));
    const auto maps = [](int protection, int flags) {
        return ::mmap(nullptr, 4096, protection, MAP_PRIVATE | flags, -1, 0) != MAP_FAILED;
    };
    EXPECT_TRUE(holdsInside([&] { return maps(PROT_READ | PROT_WRITE, MAP_ANONYMOUS); }));
    EXPECT_FALSE(holdsInside([&] { return maps(PROT_READ | PROT_EXEC, MAP_ANONYMOUS); }));
    EXPECT_FALSE(holdsInside([&] { return maps(PROT_WRITE | PROT_EXEC, MAP_ANONYMOUS); }));
    EXPECT_REFUSED_INSIDE([] {
        void *page =
            ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        return ::mprotect(page, 4096, PROT_READ | PROT_EXEC);
    }());
}

TEST(KmsSandbox, SeesLittleOfTheKernel) {
    for (const long call : {SYS_bpf,
                            SYS_perf_event_open,
                            SYS_io_uring_setup,
                            SYS_userfaultfd,
                            SYS_keyctl,
                            SYS_add_key,
                            SYS_request_key,
                            SYS_init_module,
                            SYS_finit_module,
                            SYS_kexec_load,
                            SYS_reboot,
                            SYS_syslog,
                            SYS_swapon,
                            SYS_quotactl,
                            SYS_open_by_handle_at,
                            SYS_name_to_handle_at,
                            SYS_fsopen,
                            SYS_move_mount,
                            SYS_open_tree,
                            SYS_pivot_root,
                            SYS_umount2,
                            SYS_personality,
                            SYS_shmget,
                            SYS_semget,
                            SYS_msgget,
                            SYS_mq_open,
                            SYS_inotify_init1,
                            SYS_fanotify_init,
                            SYS_vmsplice,
                            SYS_splice,
                            SYS_setsid,
                            SYS_timer_create,
                            SYS_capset,
                            SYS_seccomp})
        EXPECT_REFUSED_INSIDE(::syscall(call, 0, 0, 0, 0, 0)) << call;
    EXPECT_REFUSED_INSIDE(::prctl(PR_SET_DUMPABLE, 1));
    EXPECT_REFUSED_INSIDE(::prctl(PR_SET_PTRACER, -1));
    EXPECT_REFUSED_INSIDE(::prctl(PR_SET_MM, 0, 0, 0, 0));
    EXPECT_REFUSED_INSIDE(::ioctl(STDIN_FILENO, TIOCSTI, "x"));
}

}  // namespace
}  // namespace volumecrypt::test
