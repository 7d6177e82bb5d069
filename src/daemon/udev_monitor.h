// SPDX-License-Identifier: Apache-2.0
// Listens to udev for block devices that come, change and go.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/scope_exit.h"
#include "daemon/event_loop.h"
#include "daemon/volume_table.h"

struct udev;
struct udev_monitor;
extern "C" {
udev *udev_unref(udev *udev);
udev_monitor *udev_monitor_unref(udev_monitor *monitor);
}

namespace volumecrypt::daemon {

// What udev said about a block device.
struct DeviceEvent {
    std::string action;              // add, change, remove, …
    std::string node;                // /dev/vda4
    std::vector<std::string> links;  // /dev/disk/by-…
    std::string mapping;             // device-mapper name; empty for other devices
};

// The volume's device by any of its names, or its mapping.
bool concerns(const DeviceEvent &event, const Volume &volume);

class UdevMonitor {
  public:
    using Handler = std::function<void(const DeviceEvent &)>;

    UdevMonitor(EventLoop &loop, Handler handler) : loop_(loop), handler_(std::move(handler)) {}
    // Io when udev cannot be listened to.
    base::Status start();

  private:
    void receive();

    EventLoop &loop_;
    Handler handler_;
    base::CHandle<udev, udev_unref> udev_;
    base::CHandle<udev_monitor, udev_monitor_unref> monitor_;
    EventLoop::Source source_;
};

}  // namespace volumecrypt::daemon
