// SPDX-License-Identifier: Apache-2.0
// Reads a field that holds a path.
#include <fmt/format.h>

#include "config/fields.h"
#include "config/values.h"

namespace volumecrypt::config {

std::string readPath(Fields &fields, std::string_view name) {
    const auto path = fields.text(name);
    if (!path) return {};
    const auto fault = pathFault(*path, fields.quoting());
    if (!fault) return *path;
    fields.report().error(fields.place(name), fmt::format("{} {}", fields.pathOf(name), *fault));
    return {};
}

}  // namespace volumecrypt::config
