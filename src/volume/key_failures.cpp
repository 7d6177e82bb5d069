// SPDX-License-Identifier: Apache-2.0
// Collects the failures of keys.
#include "volume/key_failures.h"

#include "base/error.h"
#include "base/text.h"

namespace volumecrypt::volume {
namespace {

using base::ErrorCode;

// Says more than that no key is usable.
bool speaksForItself(ErrorCode code) {
    return code == ErrorCode::Io || base::isKeyWithheld(code);
}

// No waiting and no repair of the server or the TPM brings the key back: only another key helps.
bool needsAnotherKey(ErrorCode code) {
    return code == ErrorCode::PcrMismatch || code == ErrorCode::ForeignTpm;
}

// Somebody can mend it here and now, and the hint says how; a TPM that time alone does not bring
// back as well.
bool canBeMended(const base::Error &error) {
    // Busy is the TPM: that of the header, or of memory for a KDF, was told before.
    return error.code == ErrorCode::Busy || error.code == ErrorCode::InvalidConfig ||
           error.code == ErrorCode::KeyRejected || error.code == ErrorCode::Unsupported ||
           (error.code == ErrorCode::TpmUnavailable && !error.retry);
}

}  // namespace

void KeyFailures::note(const std::string &reason) {
    reasons_ += (reasons_.empty() ? "" : "; ") + reason;
}

void KeyFailures::add(const base::Error &error) {
    note(error.message);
    codes_.insert(error.code);
    retry_ = retry_ || error.retry;
    if (speaksForItself(error.code) && !needsAnotherKey(error.code)) hint_ = error.hint;
    const bool told = repairs_.find(error.hint) != std::string::npos;
    if (canBeMended(error) && !error.hint.empty() && !told)
        repairs_ += base::sentence(error.hint) + " ";
}

base::Error KeyFailures::summary(const std::string &message, const std::string &hint) const {
    const bool only = codes_.size() == 1 && speaksForItself(*codes_.begin());
    base::Error error;
    error.code = only ? *codes_.begin() : ErrorCode::NoUsableKey;
    error.message = message + ": " + reasons_;
    error.hint = only && !hint_.empty() ? hint_ : repairs_ + hint;
    error.retry = retry_;
    return error;
}

}  // namespace volumecrypt::volume
