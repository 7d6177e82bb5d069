// SPDX-License-Identifier: Apache-2.0
// Reads the nodes' keys.
#include "kms_server/key_store.h"

#include <fcntl.h>

#include "base/unique_fd.h"
#include "kms_server/sealing.h"

namespace volumecrypt::kms_server {
namespace {

using base::ErrorCode;

constexpr int kFileTimeoutMs = 10'000;

base::Result<base::SecretBuffer> readKey(const std::string &path) {
    VC_ASSIGN(const base::UniqueFd fd, base::openFile(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
    auto key = base::readSecret(fd.get(), kKeySize, kFileTimeoutMs);
    if (key && key->size() == kKeySize) return key;
    return base::fail(ErrorCode::InvalidConfig, path + " is not a key of 32 bytes",
                      "Make it with: head -c 32 /dev/urandom > " + path);
}

}  // namespace

bool isNodeUuid(std::string_view node) {
    constexpr std::string_view pattern = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    if (node.size() != pattern.size()) return false;
    for (std::size_t i = 0; i < node.size(); ++i) {
        const char c = node[i];
        const bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
        if (pattern[i] == '-' ? c != '-' : !hex) return false;
    }
    return true;
}

base::Status KeyStore::check() const {
    if (directory_.empty()) {
        VC_TRY(readKey(file_));
        return {};
    }
    VC_TRY(base::openFile(directory_, O_RDONLY | O_DIRECTORY));
    return {};
}

base::Result<base::SecretBuffer> KeyStore::keyFor(const std::string &node) const {
    return readKey(directory_.empty() ? file_ : directory_ + "/" + prefix_ + node + ".key");
}

}  // namespace volumecrypt::kms_server
