// SPDX-License-Identifier: Apache-2.0
// The keys of the nodes, as files.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/secret_buffer.h"

namespace volumecrypt::kms_server {

// Files are read at each call: to remove a node's key is to forget the node at once.
class KeyStore {
  public:
    // DIRECTORY/PREFIXNAME.key for each node: see keyNamesOf.
    static KeyStore perNode(std::string directory, std::string prefix) {
        return {std::move(directory), std::move(prefix), ""};
    }
    // One file for all of them.
    static KeyStore forAll(std::string file) { return {"", "", std::move(file)}; }

    // InvalidConfig when there is no such directory or file, or the file is no key.
    [[nodiscard]] base::Status check() const;
    // NotFound for a node that has no key; Io or InvalidConfig when its key cannot be read.
    [[nodiscard]] base::Result<base::SecretBuffer> keyFor(const std::string &node) const;

  private:
    KeyStore(std::string directory, std::string prefix, std::string file)
        : directory_(std::move(directory)), prefix_(std::move(prefix)), file_(std::move(file)) {}

    std::string directory_;
    std::string prefix_;
    std::string file_;
};

// What the files of a node's key may be called, without directory, prefix and ".key". A UUID has
// one key however it is spelled: in a file in lower case or, where there is none, in upper case.
// Every other name (a machine's firmware may give it any) is taken as it is, each byte but letters,
// digits, "-", "_" and "." as %XX, and a "." at the beginning too: it cannot lead out of the
// directory. Empty for a name that nobody has: no byte, or more than 64.
std::vector<std::string> keyNamesOf(std::string_view node);

// Whether a name in a certificate is the node's: the name itself, or urn:uuid: and its UUID.
bool isNameOf(std::string_view node, std::string_view name);

}  // namespace volumecrypt::kms_server
