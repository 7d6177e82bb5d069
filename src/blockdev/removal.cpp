// SPDX-License-Identifier: Apache-2.0
// Whether a device that gave an error is about to be gone.
#include <string>
#include <thread>

#include <sys/sysmacros.h>

#include "blockdev/device.h"
#include "blockdev/sysfs.h"

namespace volumecrypt::blockdev {

bool awaitRemoval(const Device &device, std::chrono::milliseconds limit) {
    constexpr std::chrono::milliseconds kStep(50);
    if (device.isFile) return false;
    const std::string path = KernelRoots().sys + "/dev/block/" +
                             std::to_string(major(device.number)) + ":" +
                             std::to_string(minor(device.number));
    for (std::chrono::milliseconds waited(0); exists(path); waited += kStep) {
        if (waited >= limit) return false;
        std::this_thread::sleep_for(kStep);
    }
    return true;
}

}  // namespace volumecrypt::blockdev
