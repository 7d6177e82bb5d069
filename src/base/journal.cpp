// SPDX-License-Identifier: Apache-2.0
// sd_journal_sendv with a fall-back to stderr.
#include "base/journal.h"

#include <cstdio>

#include <sys/uio.h>

#include <systemd/sd-journal.h>
#include <unistd.h>

namespace volumecrypt::base {

void log(Severity severity, const std::string &message, const Fields &fields) {
    if (::access("/run/systemd/journal/socket", W_OK) != 0) {
        if (severity <= Severity::Info) std::fprintf(stderr, "%s\n", message.c_str());
        return;
    }
    std::vector<std::string> lines;
    lines.reserve(fields.size() + 2);
    lines.push_back("MESSAGE=" + message);
    lines.push_back("PRIORITY=" + std::to_string(static_cast<int>(severity)));
    for (const auto &[name, value] : fields) lines.push_back(std::string(name) + "=" + value);
    std::vector<iovec> vector;
    vector.reserve(lines.size());
    for (auto &line : lines) vector.push_back({.iov_base = line.data(), .iov_len = line.size()});
    (void)::sd_journal_sendv(vector.data(), static_cast<int>(vector.size()));
}

}  // namespace volumecrypt::base
