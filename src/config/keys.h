// SPDX-License-Identifier: Apache-2.0
// Reads the entries of `encryption.keys`.
#pragma once

#include <string>
#include <vector>

#include "config/draft.h"
#include "config/fields.h"
#include "model/key_spec.h"

namespace volumecrypt::config {

// The valid ones of `list`, in slot order; `path` names the list in messages. Notes in the draft
// which are locked to STATE.
std::vector<model::KeySpec> readKeys(const TreeNode &list, const std::string &path, Report &report,
                                     Draft &draft);

}  // namespace volumecrypt::config
