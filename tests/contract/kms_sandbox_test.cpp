// SPDX-License-Identifier: Apache-2.0
// What volumecrypt-kms can still do once it has locked itself up.
#include <cerrno>
#include <functional>

#include <linux/capability.h>
#include <linux/landlock.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "kms/sandbox.h"
#include "support/temp_dir.h"

namespace volumecrypt::test {
namespace {

// Whether `fact` holds in a process in the sandbox.
bool holdsInside(const std::function<bool()> &fact) {
    const pid_t pid = ::fork();
    if (pid == 0) ::_exit(kms::enterSandbox() && fact() ? 0 : 1);
    int status = 0;
    ::waitpid(pid, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool opens(const std::string &path, int flags) {
    const int fd = ::open(path.c_str(), flags | O_CLOEXEC, 0600);
    if (fd < 0) return false;
    ::close(fd);
    return true;
}

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
        EXPECT_TRUE(holdsInside([] { return ::getuid() != 0 && ::setuid(0) < 0; }));
    }
}

TEST(KmsSandbox, ReadsWhatNameResolutionNeeds) {
    EXPECT_TRUE(holdsInside([] { return opens("/etc/nsswitch.conf", O_RDONLY); }));
    EXPECT_TRUE(holdsInside([] { return opens("/usr", O_RDONLY | O_DIRECTORY); }));
}

TEST(KmsSandbox, SeesNoOtherFile) {
    const TempDir directory;
    const std::string path = directory.write("open", "to everybody");
    std::filesystem::permissions(directory.path(), std::filesystem::perms{0777});
    const bool landlock =
        ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION) > 0;
    EXPECT_EQ(holdsInside([&] { return !opens(path, O_RDONLY); }), landlock);
    EXPECT_EQ(holdsInside([&] { return !opens(directory.file("new"), O_CREAT | O_WRONLY); }),
              landlock);
    EXPECT_EQ(holdsInside([] { return !opens("/etc/passwd", O_RDONLY); }), landlock);
}

}  // namespace
}  // namespace volumecrypt::test
