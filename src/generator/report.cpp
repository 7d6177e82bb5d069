// SPDX-License-Identifier: Apache-2.0
// Messages of the generator, one line each.
#include "generator/report.h"

#include <cstdio>
#include <cstdlib>

#include <fcntl.h>
#include <unistd.h>

#include "base/text.h"

namespace volumecrypt::generator {
namespace {

// A record of /dev/kmsg is one write of less than 1024 bytes with its header.
constexpr std::size_t kLongestRecord = 960;

}  // namespace

Report::Report() {
    // Set for generators since systemd 251.
    if (std::getenv("SYSTEMD_SCOPE") == nullptr) return;
    if (auto opened = base::openFile("/dev/kmsg", O_WRONLY | O_NOCTTY))
        kernelLog_ = std::move(*opened);
}

void Report::say(base::Severity severity, std::string_view message) {
    // YAML may put anything into a name that a message repeats.
    const std::string line =
        "volumecrypt-generator: " + base::printableText(message, kLongestRecord) + "\n";
    if (kernelLog_.valid()) {
        const std::string record = "<" + std::to_string(static_cast<int>(severity)) + ">" + line;
        if (::write(kernelLog_.get(), record.data(), record.size()) >= 0) return;
    }
    (void)std::fputs(line.c_str(), stderr);
}

}  // namespace volumecrypt::generator
