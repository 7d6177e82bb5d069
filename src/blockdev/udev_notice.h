// SPDX-License-Identifier: Apache-2.0
// Whether udev has noticed what was just written to a device.
#pragma once

#include <string>

#include "base/result.h"

namespace volumecrypt::blockdev {

// udev looks at a device again when it is closed after writing, but misses that while it is still
// busy with the device's appearance; a mapping in which it saw no file system stays not ready for
// ever, and what waits for it hangs. Waits until udev's database (below `udevDirectory`, /run/udev)
// has a signature for `node`, and closes the device once more from time to time. Returns at once
// where no udev runs; gives up after `patienceMs`, then false.
bool awaitUdevNotice(const std::string &node, const std::string &udevDirectory,
                     int patienceMs = 20'000);

}  // namespace volumecrypt::blockdev
