// SPDX-License-Identifier: Apache-2.0
// From the JSON of a header to model::HeaderView: every number and offset is checked on the way.
#pragma once

#include <nlohmann/json.hpp>

#include "base/result.h"
#include "luks/metadata.h"
#include "model/header_view.h"

namespace volumecrypt::luks {

// HeaderCorrupt when something is missing, of the wrong type, out of range, or lies outside the
// header or the device.
base::Result<model::HeaderView> viewOf(const Metadata &metadata);

// Sorted keys, no spaces: what SlotView::json and TokenView::json hold.
std::string canonicalJson(const nlohmann::json &value);

}  // namespace volumecrypt::luks
