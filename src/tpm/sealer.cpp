// SPDX-License-Identifier: Apache-2.0
// The operations, each bounded in time.
#include "tpm/sealer.h"

#include <utility>

#include "model/slot_token.h"
#include "tpm/bounded.h"

namespace volumecrypt::tpm {
namespace {

using base::SecretBuffer;

constexpr std::size_t kAnswerSecretSize = 32;

}  // namespace

base::Result<NewSecret> seal(const Access &access, const Policy &policy) {
    // The secret, then the key as JSON.
    VC_ASSIGN(SecretBuffer answer,
              runBounded(access.timeoutMs, [&]() -> base::Result<SecretBuffer> {
                  VC_ASSIGN(const NewSecret made, sealNow(access, policy));
                  const std::string json = made.key.toJson(model::kSystemdTpmTokenType, 0);
                  return made.secret.appended(std::as_bytes(std::span(json)));
              }));
    const std::string json(answer.chars() + kAnswerSecretSize, answer.size() - kAnswerSecretSize);
    answer.truncate(kAnswerSecretSize);
    VC_ASSIGN(SealedKey key, SealedKey::fromJson(json));
    return NewSecret{.secret = std::move(answer), .key = std::move(key)};
}

base::Result<SecretBuffer> unseal(const Access &access, const SealedKey &key) {
    return runBounded(access.timeoutMs, [&] { return unsealNow(access, key); });
}

base::Result<std::string> whyStale(const Access &access, const SealedKey &key) {
    VC_ASSIGN(const SecretBuffer answer,
              runBounded(access.timeoutMs, [&]() -> base::Result<SecretBuffer> {
                  VC_ASSIGN(const std::string reason, whyStaleNow(access, key));
                  return SecretBuffer::copyOf(reason);
              }));
    return std::string(answer.chars(), answer.size());
}

base::Status canSeal(const Access &access, const Policy &policy) {
    const auto task = [&]() -> base::Result<SecretBuffer> {
        VC_TRY(canSealNow(access, policy));
        return SecretBuffer();
    };
    VC_TRY(runBounded(access.timeoutMs, task));
    return {};
}

}  // namespace volumecrypt::tpm
