// SPDX-License-Identifier: Apache-2.0
// volumecryptd: the D-Bus service.
#include <cstdlib>

#include <sys/stat.h>

#include "base/journal.h"
#include "daemon/bus_service.h"
#include "daemon/command_line.h"
#include "daemon/event_loop.h"
#include "daemon/volume_table.h"

int main(int argc, char **argv) {
    using namespace volumecrypt;
    const auto options = daemon::parseDaemonOptions(argc, argv);
    if (const int *status = std::get_if<int>(&options)) return *status;
    (void)::umask(077);
    daemon::EventLoop loop;
    loop.stopOnSignals();
    const auto service = daemon::Service::start(loop, std::get<daemon::DaemonOptions>(options));
    if (!service) {
        base::log(base::Severity::Error, daemon::oneLine(service.error()));
        return EXIT_FAILURE;
    }
    return loop.run();
}
