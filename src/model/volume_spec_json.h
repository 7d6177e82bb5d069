// SPDX-License-Identifier: Apache-2.0
// A declared volume as JSON, without its passphrases: how the last valid declaration is remembered.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "model/volume_spec.h"

namespace volumecrypt::model {

// One line. Where it was declared is kept, for messages.
std::string toJson(const VolumeSpec &spec);

// InvalidConfig for what toJson did not write. A static passphrase that was not in a file comes
// back empty.
base::Result<VolumeSpec> volumeSpecFromJson(std::string_view text);

}  // namespace volumecrypt::model
