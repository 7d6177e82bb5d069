// SPDX-License-Identifier: Apache-2.0
// sd_journal_sendv with a fall-back to stderr. libsystemd brings half a dozen other libraries
// along: it is loaded by the first entry, and most runs of the engine make none.
#include "base/journal.h"

#include <cstdio>

#include <sys/uio.h>

#include <dlfcn.h>

// Every entry would be said to come from this file.
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>
#include <unistd.h>

namespace volumecrypt::base {
namespace {

using Send = decltype(&::sd_journal_sendv);

// nullptr when the library is not there.
Send findSend() {
    void *library = ::dlopen("libsystemd.so.0", RTLD_NOW | RTLD_LOCAL);
    return library == nullptr ? nullptr
                              : reinterpret_cast<Send>(::dlsym(library, "sd_journal_sendv"));
}

Send journal() {
    if (::access("/run/systemd/journal/socket", W_OK) != 0) return nullptr;
    static const Send send = findSend();
    return send;
}

}  // namespace

void log(Severity severity, const std::string &message, const Fields &fields) {
    const Send send = journal();
    if (send == nullptr) {
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
    (void)send(vector.data(), static_cast<int>(vector.size()));
}

}  // namespace volumecrypt::base
