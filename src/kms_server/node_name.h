// SPDX-License-Identifier: Apache-2.0
// What nodes call themselves, as names of files and in certificates.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace volumecrypt::kms_server {

// What the files of a node's key may be called, without directory, prefix and ".key". A UUID has
// one key however it is spelled: in a file in lower case or, where there is none, in upper case.
// Every other name (a machine's firmware may give it any) is taken as it is, each byte but letters,
// digits, "-", "_" and "." as %XX, and a "." at the beginning too: it cannot lead out of the
// directory. Empty for a name that nobody has: no byte, or more than 64.
std::vector<std::string> keyNamesOf(std::string_view node);

// Whether a name in a certificate is the node's: the name itself, or urn:uuid: and its UUID.
bool isNameOf(std::string_view node, std::string_view name);

}  // namespace volumecrypt::kms_server
