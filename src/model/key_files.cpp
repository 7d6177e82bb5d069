// SPDX-License-Identifier: Apache-2.0
// Collecting the paths of keys.
#include "model/key_files.h"

#include <algorithm>
#include <array>

namespace volumecrypt::model {
namespace {

struct Collector {
    std::vector<KeyFile> &files;
    const KeySpec &key;

    void operator()(std::string_view field, const std::string &value) const {
        const auto named = key.row().files;
        const bool isFile = std::ranges::find(named, field) != named.end();
        if (isFile && !value.empty()) files.push_back({key.slot, field, value});
    }
    template <typename Part>
    void operator()(std::string_view /*field*/, const std::optional<Part> &part) const {
        if (part) Part::members(*part, *this);
    }
    void operator()(std::string_view /*field*/, const auto & /*value*/) const {}
};

}  // namespace

std::vector<KeyFile> keyFiles(const VolumeSpec &volume) {
    std::vector<KeyFile> files;
    if (!volume.encryption) return files;
    for (const KeySpec &key : volume.encryption->keys)
        std::visit([&](const auto &of) { of.members(of, Collector{files, key}); }, key.parameters);
    return files;
}

bool isAtOrBelow(std::string_view path, std::string_view directory) {
    while (directory.ends_with('/')) directory.remove_suffix(1);
    return path.starts_with(directory) &&
           (path.size() == directory.size() || path[directory.size()] == '/');
}

bool isBelowHome(std::string_view path) {
    constexpr std::array<std::string_view, 3> kHidden{"/home", "/root", "/run/user"};
    return std::any_of(kHidden.begin(), kHidden.end(),
                       [path](std::string_view directory) { return isAtOrBelow(path, directory); });
}

}  // namespace volumecrypt::model
