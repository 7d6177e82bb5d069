// SPDX-License-Identifier: Apache-2.0
// Rules for single values: paths, mount points and options, durations, labels, endpoints. Pure
// functions; a fault is the rest of a sentence that begins with the field's name.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "model/volume_spec.h"

namespace volumecrypt::config {

using Fault = std::optional<std::string>;

// Whether a message may repeat the value that it is about: errors end where every user may read
// them, and a passphrase may stand in any field of a key by mistake.
enum class Quoting { Allowed, Forbidden };

// Absolute, normalised, fit for a line of a unit file.
Fault pathFault(std::string_view path, Quoting quoting = Quoting::Allowed);
// A path for mount.where: does not hide what the running system needs.
Fault mountPointFault(std::string_view path);
// One entry of mount.options: exactly one option, as a comma would make two of it. What another
// field decides, or works in fstab only, is refused rather than ignored.
Fault mountOptionFault(std::string_view option);
// What mkfs of this type would refuse or cut.
Fault labelFault(model::FilesystemType type, std::string_view label);

// "15", "15s", "1min 30s", "2h", "infinity" (0): as systemd.time(7), in whole seconds.
std::optional<std::chrono::seconds> parseDuration(std::string_view text);

struct Endpoint {
    bool tls = false;
    bool schemeGiven = true;
};
// HOST[:PORT] with an optional scheme, as Talos reads it: none and grpc are plaintext, grpcs, https
// and http are TLS. The fault never repeats the text.
Fault readEndpoint(std::string_view text, Endpoint &endpoint);

}  // namespace volumecrypt::config
