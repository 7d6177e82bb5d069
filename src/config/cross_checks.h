// SPDX-License-Identifier: Apache-2.0
// Rules between documents: one document per volume, one volume per device and per mount point,
// STATE for the keys that are locked to it.
#pragma once

#include <vector>

#include "config/draft.h"
#include "config/loader.h"

namespace volumecrypt::config {

// Marks the drafts that break a rule invalid and adds the problems. `complete`: every file could be
// read to its end, so that what is not among the drafts is not declared.
void checkTogether(std::vector<Draft> &drafts, bool complete, std::vector<Problem> &problems);

}  // namespace volumecrypt::config
