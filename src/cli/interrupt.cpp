// SPDX-License-Identifier: Apache-2.0
// Signal handlers that set a flag, put back at the end.
#include "cli/interrupt.h"

#include <cstddef>

namespace volumecrypt::cli {
namespace {

constexpr std::array kSignals{SIGINT, SIGTERM, SIGHUP};
volatile std::sig_atomic_t interrupted = 0;

void note(int /*signal*/) {
    interrupted = 1;
}

}  // namespace

Interruptible::Interruptible() {
    interrupted = 0;
    struct sigaction action {};
    action.sa_handler = note;  // without SA_RESTART: reads and polls must end
    for (std::size_t i = 0; i < kSignals.size(); ++i)
        (void)::sigaction(kSignals.at(i), &action, &before_.at(i));
}

Interruptible::~Interruptible() {
    for (std::size_t i = 0; i < kSignals.size(); ++i)
        (void)::sigaction(kSignals.at(i), &before_.at(i), nullptr);
}

bool Interruptible::happened() const {
    return interrupted != 0;
}

}  // namespace volumecrypt::cli
