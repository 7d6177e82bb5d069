// SPDX-License-Identifier: Apache-2.0
// What one volume adds to the static templates volumecrypt@.service and volumecrypt-sync@.service.
#pragma once

#include <string>

#include "model/volume_spec.h"
#include "units/boot_role.h"
#include "units/relations.h"

namespace volumecrypt::units {

// The drop-in of volumecrypt@ID.service: source, order, what it needs, what its keys may touch.
std::string attachDropIn(const model::VolumeSpec &volume, const BootRole &role,
                         const Relations &relations);

// The drop-in of volumecrypt-sync@ID.service; empty: the template says it all.
std::string syncDropIn(const model::VolumeSpec &volume, const Relations &relations);

}  // namespace volumecrypt::units
