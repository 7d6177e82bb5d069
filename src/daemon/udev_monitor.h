// SPDX-License-Identifier: Apache-2.0
// Listens to udev for block devices that come, change and go.
#pragma once

#include <functional>

#include "base/c_handle.h"
#include "base/result.h"
#include "daemon/device_event.h"
#include "daemon/event_loop.h"

struct udev;
struct udev_monitor;
extern "C" {
udev *udev_unref(udev *udev);
udev_monitor *udev_monitor_unref(udev_monitor *monitor);
}

namespace volumecrypt::daemon {

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
