// SPDX-License-Identifier: Apache-2.0
// Reads one document: which kind of volume it declares, and all of it.
#pragma once

#include <optional>
#include <vector>

#include "config/draft.h"
#include "config/report.h"
#include "config/yaml_tree.h"

namespace volumecrypt::config {

// Adds a draft, valid or not, when the document declares a volume whose ID is known. A document of
// another kind is skipped with a warning.
void readDocument(const Document &document, Report &report, std::vector<Draft> &drafts,
                  std::optional<TrimDefault> &trim);

}  // namespace volumecrypt::config
