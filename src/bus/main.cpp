// SPDX-License-Identifier: Apache-2.0
// volumecryptd: the D-Bus service.
#include <cstdlib>

#include <sys/stat.h>

#include <malloc.h>

#include "base/journal.h"
#include "bus/command_line.h"
#include "bus/service.h"
#include "daemon/call_limits.h"
#include "daemon/event_loop.h"
#include "daemon/volume_table.h"

namespace {

// A message of the bus may have 32 MiB. It goes back to the system with its end: the allocator
// would learn from it to keep as much.
void keepNoMemoryBack() {
    constexpr int kLargeBlock = 256 * 1024;
    (void)::mallopt(M_MMAP_THRESHOLD, kLargeBlock);
    (void)::mallopt(M_TRIM_THRESHOLD, 2 * kLargeBlock);
}

}  // namespace

int main(int argc, char **argv) {
    using namespace volumecrypt;
    const auto options = bus::parseDaemonOptions(argc, argv);
    if (const int *status = std::get_if<int>(&options)) return *status;
    (void)::umask(077);
    keepNoMemoryBack();
    daemon::raiseDescriptorLimit();
    daemon::EventLoop loop;
    loop.stopOnSignals();
    const auto service = bus::Service::start(loop, std::get<bus::DaemonOptions>(options));
    if (!service) {
        base::log(base::Severity::Error, daemon::oneLine(service.error()));
        return EXIT_FAILURE;
    }
    return loop.run();
}
