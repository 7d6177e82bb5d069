// SPDX-License-Identifier: Apache-2.0
// Starts encryption and policy sessions with the TPM.
#include "tpm/storage_root.h"

namespace volumecrypt::tpm {
namespace {

constexpr TPMT_SYM_DEF kAes128Cfb{
    .algorithm = TPM2_ALG_AES, .keyBits = {.aes = 128}, .mode = {.aes = TPM2_ALG_CFB}};
constexpr TPMT_SYM_DEF kNone{.algorithm = TPM2_ALG_NULL, .keyBits = {}, .mode = {}};

}  // namespace

base::Result<Handle> startEncryption(Connection &connection, const StorageRoot &root) {
    ESYS_TR session = ESYS_TR_NONE;
    VC_TRY(connection.check(
        "start an encrypted session",
        connection.tss().Esys_StartAuthSession(
            connection.esys(), root.handle.get(), ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
            ESYS_TR_NONE, nullptr, TPM2_SE_HMAC, &kAes128Cfb, TPM2_ALG_SHA256, &session)));
    Handle handle(connection, session, Handle::Kind::Flushed);
    constexpr TPMA_SESSION kAttributes =
        TPMA_SESSION_DECRYPT | TPMA_SESSION_ENCRYPT | TPMA_SESSION_CONTINUESESSION;
    VC_TRY(connection.check(
        "set up an encrypted session",
        connection.tss().Esys_TRSess_SetAttributes(connection.esys(), session, kAttributes, 0xFF)));
    return handle;
}

base::Result<Handle> startPolicy(Connection &connection) {
    ESYS_TR session = ESYS_TR_NONE;
    VC_TRY(connection.check(
        "start a policy session",
        connection.tss().Esys_StartAuthSession(connection.esys(), ESYS_TR_NONE, ESYS_TR_NONE,
                                               ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, nullptr,
                                               TPM2_SE_POLICY, &kNone, TPM2_ALG_SHA256, &session)));
    return Handle(connection, session, Handle::Kind::Flushed);
}

}  // namespace volumecrypt::tpm
