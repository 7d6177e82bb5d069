// SPDX-License-Identifier: Apache-2.0
// Passphrases from the configuration or from a protected file.
#include "keys/static_key.h"

#include <cerrno>
#include <cstring>

#include <sys/stat.h>

#include <unistd.h>

#include "base/files.h"
#include "base/unique_fd.h"

namespace volumecrypt::keys {
namespace {

using base::ErrorCode;

constexpr int kFileTimeoutMs = 10'000;

base::Status checkOwnership(int fd, const std::string &path) {
    struct stat info {};
    if (::fstat(fd, &info) < 0) return base::fail(base::errnoError("look at " + path, errno));
    if (!S_ISREG(info.st_mode))
        return base::fail(ErrorCode::InvalidConfig, path + " is not a regular file");
    if (info.st_uid != 0 && info.st_uid != ::geteuid())
        return base::fail(ErrorCode::InvalidConfig,
                          path + " holds a passphrase and is not owned by root",
                          "Run `chown root: " + path + "`.");
    if ((info.st_mode & 077U) != 0)
        return base::fail(ErrorCode::InvalidConfig,
                          path + " holds a passphrase and can be read by others",
                          "Run `chmod 0600 " + path + "`.");
    return {};
}

}  // namespace

base::SecretBuffer withOtherNewline(const base::SecretBuffer &passphrase) {
    const bool has = !passphrase.empty() && passphrase.chars()[passphrase.size() - 1] == '\n';
    base::SecretBuffer other(passphrase.size() + (has ? 0 : 1));
    std::memcpy(other.chars(), passphrase.chars(), passphrase.size());
    if (has)
        other.truncate(passphrase.size() - 1);
    else
        other.chars()[passphrase.size()] = '\n';
    return other;
}

base::Result<base::SecretBuffer> StaticKeySource::obtain(
    const std::optional<model::TokenView> & /*token*/) {
    if (key_.passphraseFile.empty()) {
        if (key_.passphrase.empty())
            return base::fail(ErrorCode::InvalidConfig, "static key must have key data defined");
        return base::SecretBuffer::copyOf(key_.passphrase.bytes());
    }
    VC_ASSIGN(const base::UniqueFd fd, base::openFollowing(key_.passphraseFile));
    VC_TRY(checkOwnership(fd.get(), key_.passphraseFile));
    auto secret = base::readSecret(fd.get(), base::kLongestSecret, kFileTimeoutMs);
    if (!secret) return base::fail(std::move(secret).error().because(key_.passphraseFile));
    return secret;
}

base::Result<NewKey> StaticKeySource::create() {
    VC_ASSIGN(base::SecretBuffer passphrase, obtain(std::nullopt));
    return NewKey{.passphrase = std::move(passphrase), .token = {}};
}

// The most common fault of key files: an editor or `echo` put a newline at the end, or the slot was
// made with one. One more key derivation, and only where the volume stays closed otherwise.
base::Error StaticKeySource::whyNotOpened(base::Error rejected,
                                          const base::SecretBuffer &passphrase,
                                          const Opens &opens) const {
    const base::SecretBuffer variant = withOtherNewline(passphrase);
    if (!opens(variant)) return rejected;
    const std::string what =
        key_.passphraseFile.empty() ? "the declared passphrase" : key_.passphraseFile;
    const bool surplus = variant.size() < passphrase.size();
    rejected.message += surplus ? ": " + what + " ends in a newline, without which it would"
                                : ": " + what + " lacks a newline at its end, with which it would";
    if (key_.passphraseFile.empty())
        rejected.hint = "Declare a passphraseFile that holds exactly the bytes of the key.";
    else
        rejected.hint =
            surplus ? "Run `truncate --size=-1 " + what + "`." : "Run `echo >> " + what + "`.";
    return rejected;
}

}  // namespace volumecrypt::keys
