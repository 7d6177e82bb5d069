// SPDX-License-Identifier: Apache-2.0
// The a{sv} argument of a method, read before anything waits: what is kept of a call is small,
// whatever was sent.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/unique_fd.h"
#include "bus/values.h"

namespace volumecrypt::bus {

// All throw sdbus::Error org.freedesktop.DBus.Error.InvalidArgs, which becomes the reply.

// Refuses options that are not among `known`.
void checkOptions(const Options &options, const std::vector<std::string_view> &known);
// False when it is not there.
bool flagOption(const Options &options, const std::string &name);
// Empty when it is not there; refused when it is there and empty.
std::string textOption(const Options &options, const std::string &name);
// 0 when it is not there; refused when it is there and 0.
std::uint64_t numberOption(const Options &options, const std::string &name);
// Invalid when it is not there.
base::UniqueFd fdOption(const Options &options, const std::string &name);
// The options hold `confirm`, and it is the volume's ID.
void checkConfirmed(const Options &options, const std::string &id, std::string_view what);
[[noreturn]] void refuseArgument(const std::string &message);
base::UniqueFd ownFd(const sdbus::UnixFd &fd);

}  // namespace volumecrypt::bus
