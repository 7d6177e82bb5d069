// SPDX-License-Identifier: Apache-2.0
// Reading of options, strictly: a misspelt one must not be taken for one that was not given.
#include "bus/options.h"

#include <algorithm>

namespace volumecrypt::bus {
namespace {

// No more of what was sent is repeated.
constexpr std::size_t kQuotedOption = 64;

template <typename Value>
Value typed(const sdbus::Variant &value, const std::string &name, const char *type) {
    if (!value.containsValueOfType<Value>())
        refuseArgument("the option '" + name + "' must be of type " + type);
    return value.get<Value>();
}

}  // namespace

void refuseArgument(const std::string &message) {
    throw busError("org.freedesktop.DBus.Error.InvalidArgs", message);
}

void checkOptions(const Options &options, const std::vector<std::string_view> &known) {
    for (const auto &[name, value] : options)
        if (std::find(known.begin(), known.end(), name) == known.end())
            refuseArgument("there is no option '" + name.substr(0, kQuotedOption) + "' here");
}

bool flagOption(const Options &options, const std::string &name) {
    const auto found = options.find(name);
    return found != options.end() && typed<bool>(found->second, name, "b");
}

std::uint64_t numberOption(const Options &options, const std::string &name) {
    const auto found = options.find(name);
    if (found == options.end()) return 0;
    const auto number = typed<std::uint64_t>(found->second, name, "t");
    if (number == 0) refuseArgument("the option '" + name + "' is 0");
    return number;
}

base::UniqueFd ownFd(const sdbus::UnixFd &fd) {
    // sdbus-c++'s own copies are not closed on exec.
    auto copy = base::duplicateFd(fd.get());
    if (!copy) refuseArgument(copy.error().message);
    return std::move(*copy);
}

base::UniqueFd fdOption(const Options &options, const std::string &name) {
    const auto found = options.find(name);
    if (found == options.end()) return {};
    return ownFd(typed<sdbus::UnixFd>(found->second, name, "h"));
}

std::string textOption(const Options &options, const std::string &name) {
    const auto found = options.find(name);
    if (found == options.end()) return {};
    auto text = typed<std::string>(found->second, name, "s");
    if (text.empty()) refuseArgument("the option '" + name + "' must not be empty");
    return text;
}

void checkConfirmed(const Options &options, const std::string &id, std::string_view what) {
    const auto found = options.find("confirm");
    if (found != options.end() && typed<std::string>(found->second, "confirm", "s") == id) return;
    refuseArgument(std::string(what) + " needs the option 'confirm' (s) with the volume's ID, '" +
                   id + "': data may be lost");
}

}  // namespace volumecrypt::bus
