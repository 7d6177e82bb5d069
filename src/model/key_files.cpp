// SPDX-License-Identifier: Apache-2.0
// Collecting the paths of keys.
#include "model/key_files.h"

#include <algorithm>
#include <array>

namespace volumecrypt::model {
namespace {

void add(std::vector<KeyFile> &files, unsigned slot, std::string_view field,
         const std::string &path) {
    if (!path.empty()) files.push_back({slot, field, path});
}

}  // namespace

std::vector<KeyFile> keyFiles(const VolumeSpec &volume) {
    std::vector<KeyFile> files;
    if (!volume.encryption) return files;
    for (const KeySpec &key : volume.encryption->keys) {
        if (const auto *fixed = std::get_if<StaticKey>(&key.parameters))
            add(files, key.slot, "passphraseFile", fixed->passphraseFile);
        if (const auto *kms = std::get_if<KmsKey>(&key.parameters)) {
            add(files, key.slot, "caFile", kms->caFile);
            add(files, key.slot, "clientCertFile", kms->clientCertFile);
            add(files, key.slot, "clientKeyFile", kms->clientKeyFile);
        }
        if (const auto *tpm = std::get_if<TpmKey>(&key.parameters); tpm && tpm->signedPolicy)
            add(files, key.slot, "publicKey", tpm->signedPolicy->publicKey);
    }
    return files;
}

bool isAtOrBelow(std::string_view path, std::string_view directory) {
    while (directory.ends_with('/')) directory.remove_suffix(1);
    return path.starts_with(directory) &&
           (path.size() == directory.size() || path[directory.size()] == '/');
}

bool isBelowHome(std::string_view path) {
    constexpr std::array<std::string_view, 3> kHidden{"/home", "/root", "/run/user"};
    return std::any_of(kHidden.begin(), kHidden.end(),
                       [path](std::string_view directory) { return isAtOrBelow(path, directory); });
}

}  // namespace volumecrypt::model
