// SPDX-License-Identifier: Apache-2.0
// RLIMIT_NOFILE, and how full the table is: the kernel hands out the lowest free number.
#include <algorithm>

#include <sys/resource.h>

#include <fcntl.h>
#include <unistd.h>

#include "base/unique_fd.h"
#include "daemon/call_limits.h"

namespace volumecrypt::daemon {
namespace {

// The bus lets a message carry 16, and somewhat over two thousand calls wait at most.
constexpr rlim_t kWanted = 65536;

}  // namespace

void raiseDescriptorLimit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= kWanted) return;
    limit.rlim_cur = std::min(kWanted, limit.rlim_max);
    (void)::setrlimit(RLIMIT_NOFILE, &limit);
}

bool descriptorsAreScarce() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return false;
    const int middle = static_cast<int>(std::min(limit.rlim_cur, kWanted) / 2);
    // What is above the middle came when nothing below it was free.
    const base::UniqueFd probe(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, middle));
    return probe.get() != middle;
}

}  // namespace volumecrypt::daemon
