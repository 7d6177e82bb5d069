// SPDX-License-Identifier: Apache-2.0
// The text of inspect: a line for each member that says something.
#include "engine/inspection_text.h"

#include <fmt/format.h>

namespace volumecrypt::engine {
namespace {

using Json = nlohmann::json;

std::string textOf(const Json &value) {
    return value.is_string() ? value.get<std::string>() : value.dump();
}

std::string slotText(const Json &slot) {
    std::string text = textOf(slot.at("kind"));
    text += slot.at("managed").get<bool>() ? ", managed" : ", unmanaged";
    if (slot.at("lockedToState").get<bool>()) text += ", locked to STATE";
    const std::string health = textOf(slot.at("health"));
    text += ", " + (health == "unverified" ? "not tested" : health);
    if (!slot.at("tokenId").is_null()) text += ", token " + textOf(slot.at("tokenId"));
    return text;
}

}  // namespace

std::string inspectionText(const model::VolumeId &id, model::VolumeState state, const Json &found) {
    std::string text = fmt::format("{}: {}", id.text(), model::stateName(state));
    const auto line = [&text](const std::string &name, const std::string &value) {
        text += fmt::format("\n  {:<9} {}", name + ":", value);
    };
    for (const char *name : {"device", "mapping", "content", "uuid", "cipher"})
        if (!found.at(name).is_null()) line(name, textOf(found.at(name)));
    if (!found.at("keySize").is_null())
        line("sizes", fmt::format("key of {} bits, sectors of {} bytes", textOf(found["keySize"]),
                                  textOf(found["sectorSize"])));
    if (!found.at("phase").is_null()) line("phase", textOf(found.at("phase")));
    line("pinned", found.at("pinned").get<bool>() ? "yes" : "no");
    for (const Json &slot : found.at("slots"))
        line(fmt::format("slot {}", textOf(slot.at("slot"))), slotText(slot));
    return text;
}

}  // namespace volumecrypt::engine
