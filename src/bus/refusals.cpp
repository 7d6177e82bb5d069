// SPDX-License-Identifier: Apache-2.0
// Sends refusals one by one from a queue behind sd-bus's own.
#include "bus/refusals.h"

#include <chrono>
#include <cstdint>

#include <linux/sockios.h>
#include <sys/ioctl.h>

#include <systemd/sd-bus.h>

namespace volumecrypt::bus {
namespace {

// What is more than this gets no answer.
constexpr std::size_t kWaitingLimit = 8192;
// With the kernel's own expense, of which a message costs about 1 KiB: a turn of the bus.
constexpr int kUntaken = 8 * 1024;
constexpr std::chrono::milliseconds kBetween{2};

}  // namespace

void BusRefusals::add(sd_bus_message *call, const char *name, const char *text) {
    if (sd_bus_message_get_expect_reply(call) <= 0 || waiting_.size() >= kWaitingLimit) return;
    const sd_bus_error error{.name = name, .message = text, ._need_free = 0};
    sd_bus_message *reply = nullptr;
    if (sd_bus_message_new_method_error(call, &reply, &error) < 0) return;
    waiting_.emplace_back(reply);
    if (!timer_.active()) send();
}

bool BusRefusals::busTookAll() const {
    std::uint64_t queued = 0;
    if (sd_bus_get_n_queued_write(bus_, &queued) < 0 || queued > 0) return false;
    int untaken = 0;
    return ::ioctl(sd_bus_get_fd(bus_), SIOCOUTQ, &untaken) != 0 || untaken < kUntaken;
}

void BusRefusals::send() {
    timer_.reset();
    if (waiting_.empty()) return;
    // Once more after the last one: another may follow it at once.
    timer_ = loop_.after(kBetween, [this] { send(); });
    if (!busTookAll()) return;
    // A caller who is gone, or a bus that is: nothing to do about it here.
    (void)sd_bus_send(bus_, waiting_.front().get(), nullptr);
    waiting_.pop_front();
}

}  // namespace volumecrypt::bus
