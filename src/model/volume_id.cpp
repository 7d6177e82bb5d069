// SPDX-License-Identifier: Apache-2.0
// Parsing of volume IDs.
#include "model/volume_id.h"

#include <algorithm>
#include <array>
#include <optional>

namespace volumecrypt::model {
namespace {

// A GPT partition label holds 36 characters, two of which are our prefix.
constexpr std::size_t kLongestName = 34;

constexpr std::array<std::string_view, 5> kSystemNames{"IMAGECACHE", "ETCD", "CRI", "KUBELET",
                                                       "LOG"};

bool isNameCharacter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
}

std::string_view prefixOf(VolumeKind kind) {
    switch (kind) {
        case VolumeKind::User:
            return "u-";
        case VolumeKind::Raw:
            return "r-";
        case VolumeKind::Swap:
            return "s-";
        case VolumeKind::State:
        case VolumeKind::Ephemeral:
        case VolumeKind::System:
            break;
    }
    return "";
}

}  // namespace

std::string_view kindName(VolumeKind kind) {
    switch (kind) {
        case VolumeKind::State:
            return "state";
        case VolumeKind::Ephemeral:
            return "ephemeral";
        case VolumeKind::System:
            return "system";
        case VolumeKind::User:
            return "user";
        case VolumeKind::Raw:
            return "raw";
        case VolumeKind::Swap:
            return "swap";
    }
    return "unknown";
}

VolumeId VolumeId::state() {
    return {VolumeKind::State, "STATE"};
}

VolumeId VolumeId::ephemeral() {
    return {VolumeKind::Ephemeral, "EPHEMERAL"};
}

base::Result<VolumeId> VolumeId::system(std::string_view name) {
    if (name == "STATE") return state();
    if (name == "EPHEMERAL") return ephemeral();
    if (std::find(kSystemNames.begin(), kSystemNames.end(), name) != kSystemNames.end())
        return VolumeId(VolumeKind::System, std::string(name));
    return base::fail(base::ErrorCode::InvalidConfig,
                      "only [\"STATE\" \"EPHEMERAL\" \"IMAGECACHE\" \"ETCD\" \"CRI\" \"KUBELET\" "
                      "\"LOG\"] volumes are supported");
}

base::Result<VolumeId> VolumeId::named(VolumeKind kind, std::string_view name) {
    using base::ErrorCode;
    if (name.empty()) return base::fail(ErrorCode::InvalidConfig, "name is required");
    if (name.size() > kLongestName)
        return base::fail(ErrorCode::InvalidConfig,
                          "name must be between 1 and 34 characters long");
    if (!std::all_of(name.begin(), name.end(), isNameCharacter))
        return base::fail(
            ErrorCode::InvalidConfig,
            "name can only contain lowercase and uppercase ASCII letters, digits, and hyphens");
    return VolumeId(kind, std::string(prefixOf(kind)) + std::string(name));
}

base::Result<VolumeId> VolumeId::parse(std::string_view text) {
    if (auto id = system(text)) return id;
    for (const VolumeKind kind : {VolumeKind::User, VolumeKind::Raw, VolumeKind::Swap})
        if (text.starts_with(prefixOf(kind)))
            if (auto id = named(kind, text.substr(2))) return id;
    return base::fail(
        base::ErrorCode::InvalidConfig, "\"" + std::string(text) + "\" is not a volume ID",
        "Volume IDs are STATE, EPHEMERAL, u-NAME, r-NAME, s-NAME, and Talos' IMAGECACHE, "
        "ETCD, CRI, KUBELET and LOG.");
}

std::string VolumeId::name() const {
    const auto prefix = prefixOf(kind_);
    return text_.substr(prefix.size());
}

}  // namespace volumecrypt::model
