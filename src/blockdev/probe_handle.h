// SPDX-License-Identifier: Apache-2.0
// A libblkid probe that is freed, and its values as strings.
#pragma once

#include <string>

#include <blkid/blkid.h>

#include "base/result.h"
#include "base/scope_exit.h"

namespace volumecrypt::blockdev {

using Probe = base::CHandle<blkid_struct_probe, blkid_free_probe>;

// Over `size` bytes of `fd`, with both chains of probers off. Io.
inline base::Result<Probe> newProbe(int fd, std::uint64_t size) {
    Probe probe(blkid_new_probe());
    if (probe == nullptr) return base::fail(base::ErrorCode::Internal, "libblkid has no memory");
    if (blkid_probe_set_device(probe.get(), fd, 0, static_cast<blkid_loff_t>(size)) != 0)
        return base::fail(base::ErrorCode::Io, "libblkid cannot read the device");
    blkid_probe_enable_superblocks(probe.get(), 0);
    blkid_probe_enable_partitions(probe.get(), 0);
    return probe;
}

// Empty when the probe has no such value.
inline std::string probeValue(blkid_probe probe, const char *name) {
    const char *text = nullptr;
    if (blkid_probe_lookup_value(probe, name, &text, nullptr) != 0 || text == nullptr) return {};
    return text;
}

}  // namespace volumecrypt::blockdev
