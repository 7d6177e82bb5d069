// SPDX-License-Identifier: Apache-2.0
// Reads what Talos says of the place that it makes for a volume: `provisioning` and `volumeType`.
// Here the device has to be there.
#pragma once

#include "config/fields.h"
#include "model/volume_id.h"

namespace volumecrypt::config {

// False when Talos makes a mere directory of it: then there is no volume, which was said.
bool readPlace(Fields &document, const model::VolumeId &id);

}  // namespace volumecrypt::config
