// SPDX-License-Identifier: Apache-2.0
// What one volume is to the boot: which units it has, which targets it belongs to, who waits for
// it.
#pragma once

#include <string>

#include "model/volume_spec.h"

namespace volumecrypt::units {

class Relations;

struct BootRole {
    bool encrypted = false;
    bool automatic = false;  // attached by the boot and by plugging
    bool blocking = false;   // the boot waits for it and fails with it
    bool network = false;
    // STATE, of which META says whether it is encrypted: known only when it is attached.
    bool undecided = false;

    std::string source;          // device unit; empty: the volume is a plain file
    std::string contentPath;     // what is mounted: the mapping, or the source of a plain volume
    std::string mountSource;     // the same, by the name that attach gives it where undecided
    std::string content;         // its device unit; empty: a plain file
    std::string blockdev;        // blockdev@CONTENT.target; empty with `content`
    std::string attach;          // volumecrypt@ID.service
    std::string sync;            // volumecrypt-sync@ID.service
    std::string consumer;        // the mount or swap unit; empty: none is declared
    std::string attachTarget;    // cryptsetup.target and the like
    std::string consumerTarget;  // local-fs.target and the like
};

BootRole bootRole(const model::VolumeSpec &volume, const Relations &relations);

}  // namespace volumecrypt::units
