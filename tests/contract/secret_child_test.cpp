// SPDX-License-Identifier: Apache-2.0
// Programs that do not end, and those that cannot be ended.
#include <chrono>

#include <linux/capability.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <unistd.h>

#include "base/child_process.h"
#include "support/result_matchers.h"

namespace volumecrypt::test {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

base::Result<base::SecretOutcome> run(std::vector<std::string> argv) {
    return base::runWithSecret(
        {.argv = std::move(argv), .environment = {}, .limit = 100, .timeoutMs = 300},
        base::SecretBuffer(1));
}

// Its last words count: the exit code says that it was killed.
TEST(SecretChild, IsKilledWhenItOnlyClosesItsOutput) {
    const auto begin = Clock::now();
    const auto outcome = run({"/bin/sh", "-c", "echo said; exec >&- 2>&-; exec sleep 3"});
    ASSERT_THAT(outcome, IsOk());
    EXPECT_EQ(outcome->exitCode, 128 + SIGKILL);
    EXPECT_EQ(outcome->output.size(), 5U);
    EXPECT_LT(Clock::now() - begin, 2s);
}

// The engine's unit leaves it few capabilities, and the program may have changed its user.
TEST(SecretChild, IsLeftAloneWhenItCannotBeKilled) {
    if (::getuid() != 0) return;  // every program is ours then, and the test above says it all
    for (const char *script : {"exec sleep 3", "exec >&- 2>&-; exec sleep 3"}) {
        const auto begin = Clock::now();
        const pid_t pid = ::fork();
        if (pid == 0) {
            __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
            __user_cap_data_struct data[2] = {};
            if (::syscall(SYS_capget, &header, data) < 0) ::_exit(2);
            data[0].effective &= ~(1U << CAP_KILL);
            if (::syscall(SYS_capset, &header, data) < 0) ::_exit(2);
            ::_exit(run({"/usr/bin/setpriv", "--reuid=65529", "--regid=65529", "--clear-groups",
                         "/bin/sh", "-c", script})
                        ? 1
                        : 0);
        }
        int status = 0;
        ::waitpid(pid, &status, 0);
        EXPECT_EQ(status, 0) << script;
        EXPECT_LT(Clock::now() - begin, 2s) << script;
    }
}

}  // namespace
}  // namespace volumecrypt::test
