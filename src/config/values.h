// SPDX-License-Identifier: Apache-2.0
// Rules for single values: paths, mount points and options, durations, labels, endpoints. Pure
// functions; a fault is the rest of a sentence that begins with the field's name.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
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

// Whether a mount at `where`, absolute and normalised, is at, above or below a directory that
// programs use before local-fs.target, or at or above one of `own`, which our units run from. By
// the text alone: the generator runs before /var and others are there, so that links cannot be
// asked; systemd refuses a mount point whose path leads through one.
bool hidesSystem(std::string_view where, std::span<const std::string_view> own);

// Sizes and durations as Talos writes them, which are not systemd's.

// "128GiB", "2.5 tb", "1000": units of 1000 without an "i", of 1024 with one.
std::optional<std::uint64_t> parseByteSize(std::string_view text);

// "168h0m0s", "1.5h", "90s", "0": Go's, in whole seconds, at least one unless it is 0; negative
// ones come back as they are.
std::optional<std::chrono::seconds> parseGoDuration(std::string_view text);

}  // namespace volumecrypt::config
