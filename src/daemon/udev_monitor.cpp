// SPDX-License-Identifier: Apache-2.0
// libudev's netlink monitor: events that udev has finished with, not the kernel's.
#include "daemon/udev_monitor.h"

#include <string>
#include <utility>

#include <sys/epoll.h>

#include <libudev.h>

namespace volumecrypt::daemon {
namespace {

using DeviceHandle = base::CHandle<udev_device, udev_device_unref>;

// A burst (a whole disk with its partitions) must fit: what does not is lost.
constexpr int kReceiveBuffer = 8 << 20;

std::string text(const char *value) {
    return value == nullptr ? std::string() : std::string(value);
}

DeviceEvent eventOf(udev_device *device) {
    DeviceEvent event{.action = text(udev_device_get_action(device)),
                      .node = text(udev_device_get_devnode(device)),
                      .links = {},
                      .mapping = text(udev_device_get_property_value(device, "DM_NAME"))};
    for (auto *entry = udev_device_get_devlinks_list_entry(device); entry != nullptr;
         entry = udev_list_entry_get_next(entry))
        event.links.push_back(text(udev_list_entry_get_name(entry)));
    return event;
}

}  // namespace

base::Status UdevMonitor::start() {
    udev_.reset(udev_new());
    if (udev_) monitor_.reset(udev_monitor_new_from_netlink(udev_.get(), "udev"));
    if (!monitor_)
        return base::fail(base::ErrorCode::Io, "cannot listen to udev",
                          "Devices that come and go are noticed only by Reload.");
    int code = udev_monitor_filter_add_match_subsystem_devtype(monitor_.get(), "block", nullptr);
    // More than the limit needs CAP_NET_ADMIN, which the daemon does not have; the default will do.
    (void)udev_monitor_set_receive_buffer_size(monitor_.get(), kReceiveBuffer);
    if (code >= 0) code = udev_monitor_enable_receiving(monitor_.get());
    if (code < 0) return base::fail(base::errnoError("listen to udev", -code));
    source_ = loop_.watch(udev_monitor_get_fd(monitor_.get()), EPOLLIN,
                          [this](std::uint32_t) { receive(); });
    return {};
}

void UdevMonitor::receive() {
    while (const DeviceHandle device{udev_monitor_receive_device(monitor_.get())})
        handler_(eventOf(device.get()));
}

}  // namespace volumecrypt::daemon
