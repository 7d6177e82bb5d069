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

base::Status KeyStore::check() const {
    if (directory_.empty()) {
        VC_TRY(readKey(file_));
        return {};
    }
    VC_TRY(base::openFile(directory_, O_RDONLY | O_DIRECTORY));
    return {};
}

base::Result<base::SecretBuffer> KeyStore::keyFor(const std::string &node) const {
    if (directory_.empty()) return readKey(file_);
    for (const std::string &name : keyNamesOf(node)) {
        auto key = readKey(directory_ + "/" + prefix_ + name + ".key");
        if (key || key.error().code != ErrorCode::NotFound) return key;
    }
    return base::fail(ErrorCode::NotFound, "there is no key for the node");
}

}  // namespace volumecrypt::kms_server
