// SPDX-License-Identifier: Apache-2.0
// One row a verb.
#include "volume/verb.h"

#include <array>
#include <utility>

namespace volumecrypt::volume {
namespace {

constexpr std::array<std::pair<Verb, const char *>, 14> kVerbs{{
    {Verb::Inspect, "inspect"},
    {Verb::Plan, "plan"},
    {Verb::Attach, "attach"},
    {Verb::Detach, "detach"},
    {Verb::Format, "format"},
    {Verb::Sync, "sync"},
    {Verb::Grow, "grow"},
    {Verb::AddKey, "add-key"},
    {Verb::RemoveKey, "remove-key"},
    {Verb::Rotate, "rotate"},
    {Verb::Wipe, "wipe"},
    {Verb::Erase, "erase"},
    {Verb::Forget, "forget"},
    {Verb::Tpm, "tpm"},
}};

}  // namespace

std::string verbName(Verb verb) {
    for (const auto &[value, text] : kVerbs)
        if (value == verb) return text;
    return "inspect";
}

std::optional<Verb> verbFrom(std::string_view name) {
    for (const auto &[verb, text] : kVerbs)
        if (name == text) return verb;
    return {};
}

}  // namespace volumecrypt::volume
