// SPDX-License-Identifier: Apache-2.0
// The only secret that the service ever holds, and no longer than it must.
#include "daemon/recovery_keys.h"

#include "base/recovery_key.h"

namespace volumecrypt::daemon {
namespace {

using base::ErrorCode;

constexpr std::size_t kLongestTyped = 1024;
// A terminal's client has it ready; the event loop must not wait for anybody else.
constexpr int kTypedTimeoutMs = 500;

}  // namespace

base::Result<base::UniqueFd> RecoveryKeys::make(const std::string &caller,
                                                const model::VolumeId &volume) {
    dropOld();
    VC_ASSIGN(base::SecretBuffer key, base::makeRecoveryKey());
    auto fd = base::secretToMemfd(key);
    if (fd)
        waiting_.insert_or_assign({caller, volume},
                                  Waiting{.key = std::move(key), .since = Clock::now()});
    return fd;
}

base::Result<base::UniqueFd> RecoveryKeys::take(const std::string &caller,
                                                const model::VolumeId &volume,
                                                const base::UniqueFd &typed) {
    dropOld();
    const auto found = waiting_.find({caller, volume});
    if (found == waiting_.end())
        return base::fail(
            ErrorCode::InvalidConfig,
            "volume " + volume.text() +
                ": no recovery key was made for this caller, or it waited too long",
            "Call NewRecoveryKey first; the key that it hands out is the one to add.");
    VC_ASSIGN(const base::SecretBuffer text,
              base::readSecret(typed.get(), kLongestTyped, kTypedTimeoutMs));
    const auto key = base::normalizeRecoveryKey(text);
    if (!key || !(*key == found->second.key))
        return base::fail(
            ErrorCode::KeyRejected,
            "volume " + volume.text() + ": this is not the recovery key that was handed out",
            "Type it once more; nothing was changed.");
    auto fd = base::secretToMemfd(*key);
    if (fd) waiting_.erase(found);
    return fd;
}

void RecoveryKeys::forget(const std::string &caller) {
    std::erase_if(waiting_, [&](const auto &entry) { return entry.first.first == caller; });
}

void RecoveryKeys::dropOld() {
    const auto now = Clock::now();
    std::erase_if(waiting_,
                  [&](const auto &entry) { return now - entry.second.since > kPatience; });
}

}  // namespace volumecrypt::daemon
