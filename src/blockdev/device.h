// SPDX-License-Identifier: Apache-2.0
// Which device a volume is on: selection by path or GPT label, and what the kernel says of it.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include <sys/types.h>

#include "base/result.h"
#include "base/unique_fd.h"
#include "blockdev/sysfs.h"
#include "model/system_paths.h"
#include "model/volume_spec.h"

namespace volumecrypt::blockdev {

struct Device {
    std::string path;           // as declared (may be a link)
    std::string node;           // canonical: /dev/vda2, or the file's real path
    bool isFile = false;        // a plain file: header work only
    dev_t number = 0;           // of the block device; of the file system that holds the file
    ino_t inode = 0;            // files only
    std::uint64_t size = 0;     // bytes
    unsigned sectorSize = 512;  // bytes: 4096 where the physical block size is at least that (and
                                // for files), else 512
    bool removable = false;     // the disk is removable or hot-pluggable (USB and the like)
    bool byLabel = false;       // selected by GPT label alone
};

// NotFound when it is not there; AmbiguousDevice when it is selected by label and two partitions
// have that label (both are named in the message); Unsupported when it is neither a block device
// nor a plain file; Io.
base::Result<Device> findDevice(const model::DeviceSpec &spec);

// Whether the kernel takes the device away within `limit`; never for a plain file.
bool awaitRemoval(const Device &device, std::chrono::milliseconds limit);

// Asked while something is waited for: its error ends the waiting.
using CheckStop = std::function<base::Status()>;

// Opens for reading, or reading and writing, without O_EXCL. NotFound, Io.
base::Result<base::UniqueFd> openDevice(const Device &device, bool writable);

// The kernel refuses every write to it: write-protected, set so (blockdev --setro), a read-only
// loop device; a file on a read-only file system, or one that may not be written. NotFound, Io.
base::Result<bool> isReadOnly(const Device &device);

// Exclusive for the time of a format: O_EXCL on a block device (Busy when mounted or mapped) and
// flock on the whole disk; a file is flocked itself.
struct ExclusiveDevice {
    base::UniqueFd device;
    base::UniqueFd disk;  // whole disk with an exclusive flock; not valid for files
};
// Waits for others at work on the disk at most a minute, then Busy with retry.
base::Result<ExclusiveDevice> openExclusively(const Device &device,
                                              const CheckStop &checkStop = {});

// The lock that orders engines on one volume: a file in paths.lockDir() named after device number
// (files: and inode). Waits at most 5 s, then Busy with retry.
base::Result<base::UniqueFd> lockDevice(const model::SystemPaths &paths, const Device &device,
                                        const CheckStop &checkStop = {});

// With a kernel view of their own, for tests.
base::Result<Device> findDeviceIn(const KernelRoots &roots, const model::DeviceSpec &spec);

// With a time limit as well.
base::Result<ExclusiveDevice> openExclusivelyWithin(const KernelRoots &roots, const Device &device,
                                                    std::chrono::milliseconds limit,
                                                    const CheckStop &checkStop = {});

// `path` below /dev/disk/by-partlabel: the partition of that label on the disk of `other`. NotFound
// when there is none, and when `other` is a plain file; AmbiguousDevice. Any other path is looked
// up as it is.
base::Result<Device> findOnSameDisk(const std::string &path, const Device &other);
base::Result<Device> findOnSameDiskIn(const KernelRoots &roots, const std::string &path,
                                      const Device &other);

// Devices that /etc/crypttab has a use for: with a detached header they look blank.

// The name under which crypttab(5) opens this device; empty when it does not name it. Io when the
// file is there and cannot be read.
base::Result<std::optional<std::string>> nameInCrypttab(const model::SystemPaths &paths,
                                                        const Device &device);

}  // namespace volumecrypt::blockdev
