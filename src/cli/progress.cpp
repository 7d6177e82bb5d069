// SPDX-License-Identifier: Apache-2.0
// Words and drawing of the progress line.
#include "cli/progress.h"

#include <algorithm>
#include <cstdio>

#include <sys/ioctl.h>

#include <fmt/format.h>
#include <unistd.h>

#include "cli/text.h"

namespace volumecrypt::cli {

namespace {

std::string bar(double progress) {
    constexpr std::size_t kCells = 20;
    const double part = std::clamp(progress, 0.0, 1.0) * static_cast<double>(kCells);
    const auto full = static_cast<std::size_t>(part);
    return "[" + std::string(full, '#') + std::string(kCells - full, '-') + "]";
}

}  // namespace

std::string progressLine(const JobInfo &job) {
    std::string out = printable(job.operation);
    if (!job.volume.empty()) out += " " + printable(job.volume);
    out += ":";
    // 0 also means "not known": then the job just runs.
    if (job.progress <= 0 && job.bytesTotal == 0) return out + " running";
    out += " " + bar(job.progress) +
           fmt::format(" {:.0f}%", job.progress < 0 ? 0.0 : job.progress * 100);
    if (job.bytesTotal != 0)
        out += fmt::format(", {} of {}", humanBytes(job.bytesDone), humanBytes(job.bytesTotal));
    if (job.rate != 0) out += fmt::format(", {}/s", humanBytes(job.rate));
    if (job.secondsLeft != 0) out += fmt::format(", {} left", humanSeconds(job.secondsLeft));
    return out;
}

namespace {

std::size_t columnsOfTerminal() {
    winsize size{};
    if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col == 0) return 80;
    return size.ws_col;
}

// Blanks instead of an escape sequence: dumb terminals know none.
void draw(const std::string &line, std::size_t before) {
    const std::size_t blanks = before > line.size() ? before - line.size() : 0;
    std::fprintf(stderr, "\r%s%*s\r", line.c_str(), static_cast<int>(blanks), "");
    std::fflush(stderr);
}

}  // namespace

void ProgressLine::show(const JobInfo &job) {
    if (!style_.terminal) return;
    // A wrapped line could not be drawn over.
    const std::string line = progressLine(job).substr(0, columnsOfTerminal() - 1);
    if (line == shown_) return;
    draw(line, shown_.size());
    shown_ = line;
}

ProgressLine::~ProgressLine() {
    if (!shown_.empty()) draw("", shown_.size());
}

}  // namespace volumecrypt::cli
