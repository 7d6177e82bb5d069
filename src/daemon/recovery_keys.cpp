// SPDX-License-Identifier: Apache-2.0
// Recovery keys that wait: secrets that the service holds, and no longer than it must.
#include "daemon/recovery_keys.h"

#include "base/recovery_key.h"

namespace volumecrypt::daemon {
namespace {

using base::ErrorCode;

constexpr std::size_t kLongestTyped = 1024;

base::Error nothingWaits(const model::VolumeId &volume) {
    return {ErrorCode::InvalidConfig,
            "volume " + volume.text() +
                ": no recovery key was made for this caller, or it waited too long",
            "Call NewRecoveryKey first; the key that it hands out is the one to add."};
}

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

void RecoveryKeys::take(const Caller &caller, const model::VolumeId &volume, base::UniqueFd typed,
                        Taken taken) {
    dropOld();
    const Owner owner{caller.name, volume};
    if (!waiting_.contains(owner)) return taken(base::fail(nothingWaits(volume)));
    reader_.read(caller.uid, std::move(typed), kLongestTyped,
                 [this, owner, taken = std::move(taken)](base::Result<base::SecretBuffer> text) {
                     taken(this->taken(owner, std::move(text)));
                 });
}

base::Result<base::UniqueFd> RecoveryKeys::taken(const Owner &owner,
                                                 base::Result<base::SecretBuffer> typed) {
    VC_ASSIGN(const base::SecretBuffer text, std::move(typed));
    // The caller may have left meanwhile, or had another one made.
    const auto found = waiting_.find(owner);
    if (found == waiting_.end()) return base::fail(nothingWaits(owner.second));
    const auto key = base::normalizeRecoveryKey(text);
    if (!key || !(*key == found->second.key))
        return base::fail(
            ErrorCode::KeyRejected,
            "volume " + owner.second.text() + ": this is not the recovery key that was handed out",
            "Type it once more; nothing was changed.");
    return base::secretToMemfd(*key);
}

void RecoveryKeys::enrolled(const Caller &caller, const model::VolumeId &volume) {
    waiting_.erase({caller.name, volume});
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
