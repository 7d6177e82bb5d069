// SPDX-License-Identifier: Apache-2.0
// Response codes of the TPM and of the layers before it.
#include "tpm/response.h"

#include <string>

#include "base/text.h"
#include "tpm/library.h"
#include "tpm/policy.h"

namespace volumecrypt::tpm {
namespace {

using base::ErrorCode;

constexpr std::uint32_t kFormatOne = 0x80;
// Of a format-one code, what is not the number of a handle, session or parameter.
constexpr std::uint32_t kFormatOneCode = 0xBF;

// The TPM's own code, or 0 when a layer of the software says something.
std::uint32_t tpmCode(std::uint32_t code) {
    const std::uint32_t layer = code & TSS2_RC_LAYER_MASK;
    if (layer != TSS2_TPM_RC_LAYER && layer != TSS2_RESMGR_TPM_RC_LAYER) return 0;
    const std::uint32_t own = code & ~static_cast<std::uint32_t>(TSS2_RC_LAYER_MASK);
    return (own & kFormatOne) != 0 ? own & kFormatOneCode : own;
}

// Codes exist only once the library is there; a number will do otherwise.
std::string nameOf(std::uint32_t code) {
    if (const Library *tss = Library::loaded(); tss != nullptr) return tss->Tss2_RC_Decode(code);
    return "response code 0x" + base::toHex(u32(code));
}

struct Meaning {
    std::uint32_t code;
    ErrorCode error;
    const char *hint;
    bool retry;
};

constexpr const char *kFlushHint =
    "Something left objects or sessions in the TPM: `tpm2_flushcontext -T device:/dev/tpm0 -t` "
    "clears "
    "objects, and with -l or -s in place of -t sessions; /dev/tpmrm0 keeps programs apart.";
constexpr const char *kOwnerHint =
    "The TPM's owner hierarchy has a password and there is no storage root key at 0x81000001: its "
    "owner has to make one, `tpm2_createprimary -C o -P PASSWORD -G ecc -c srk.ctx -a "
    "'restricted|decrypt|fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda'`, and to keep "
    "it, `tpm2_evictcontrol -C o -P PASSWORD -c srk.ctx 0x81000001`.";

constexpr Meaning kMeanings[] = {
    {TPM2_RC_LOCKOUT, ErrorCode::TpmLockout,
     "The TPM refuses authorisations for a while after too many wrong ones, or unclean power-offs; "
     "`volumecryptctl tpm` shows for how long, `tpm2_dictionarylockout --clear-lockout` ends it.",
     true},
    {TPM2_RC_PCR_CHANGED, ErrorCode::PcrMismatch, "", true},
    {TPM2_RC_POLICY_FAIL, ErrorCode::PcrMismatch,
     "The machine booted something else than when the key was sealed.", false},
    {TPM2_RC_INTEGRITY, ErrorCode::ForeignTpm,
     "The key was sealed by another TPM, or this one was cleared since.", false},
    {TPM2_RC_AUTH_FAIL, ErrorCode::TpmUnavailable, kOwnerHint, false},
    {TPM2_RC_BAD_AUTH, ErrorCode::TpmUnavailable, kOwnerHint, false},
    {TPM2_RC_OBJECT_MEMORY, ErrorCode::TpmUnavailable, kFlushHint, true},
    {TPM2_RC_SESSION_MEMORY, ErrorCode::TpmUnavailable, kFlushHint, true},
    {TPM2_RC_SESSION_HANDLES, ErrorCode::TpmUnavailable, kFlushHint, true},
    {TPM2_RC_OBJECT_HANDLES, ErrorCode::TpmUnavailable, kFlushHint, true},
    {TPM2_RC_INITIALIZE, ErrorCode::TpmUnavailable,
     "The TPM was not started by the firmware or the kernel.", false},
    {TPM2_RC_FAILURE, ErrorCode::TpmUnavailable,
     "The TPM is in failure mode until the machine's power was off.", false},
};

}  // namespace

base::Error responseError(std::string_view what, std::uint32_t code) {
    base::Error error(ErrorCode::TpmUnavailable, std::string(what) + ": " + nameOf(code));
    const std::uint32_t own = tpmCode(code);
    for (const Meaning &meaning : kMeanings) {
        if (own != meaning.code) continue;
        error.code = meaning.error;
        error.hint = meaning.hint;
        error.retry = meaning.retry;
        return error;
    }
    // A device that does not answer or answers nonsense may do better the next time.
    error.retry = own == 0;
    return error;
}

bool isNoSuchHandle(std::uint32_t code) {
    return tpmCode(code) == TPM2_RC_HANDLE;
}

bool isWrongPassword(std::uint32_t code) {
    return tpmCode(code) == TPM2_RC_AUTH_FAIL || tpmCode(code) == TPM2_RC_BAD_AUTH;
}

bool isPcrChanged(std::uint32_t code) {
    return tpmCode(code) == TPM2_RC_PCR_CHANGED;
}

}  // namespace volumecrypt::tpm
