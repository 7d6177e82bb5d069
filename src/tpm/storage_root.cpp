// SPDX-License-Identifier: Apache-2.0
// Finding, making and comparing the storage root key.
#include "tpm/storage_root.h"

#include <optional>
#include <utility>

#include "tpm/response.h"

namespace volumecrypt::tpm {
namespace {

using base::ErrorCode;

constexpr TPM2_HANDLE kPersistent = 0x81000001;
constexpr TPMA_OBJECT kRootAttributes =
    TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT | TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
    TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA;
constexpr TPMT_SYM_DEF_OBJECT kAes128CfbObject{
    .algorithm = TPM2_ALG_AES, .keyBits = {.aes = 128}, .mode = {.aes = TPM2_ALG_CFB}};

TPM2B_PUBLIC eccTemplate() {
    TPM2B_PUBLIC area{};
    area.publicArea.type = TPM2_ALG_ECC;
    area.publicArea.nameAlg = TPM2_ALG_SHA256;
    area.publicArea.objectAttributes = kRootAttributes;
    TPMS_ECC_PARMS &ecc = area.publicArea.parameters.eccDetail;
    ecc.symmetric = kAes128CfbObject;
    ecc.scheme.scheme = TPM2_ALG_NULL;
    ecc.curveID = TPM2_ECC_NIST_P256;
    ecc.kdf.scheme = TPM2_ALG_NULL;
    return area;
}

TPM2B_PUBLIC rsaTemplate() {
    TPM2B_PUBLIC area{};
    area.publicArea.type = TPM2_ALG_RSA;
    area.publicArea.nameAlg = TPM2_ALG_SHA256;
    area.publicArea.objectAttributes = kRootAttributes;
    TPMS_RSA_PARMS &rsa = area.publicArea.parameters.rsaDetail;
    rsa.symmetric = kAes128CfbObject;
    rsa.scheme.scheme = TPM2_ALG_NULL;
    rsa.keyBits = 2048;
    return area;
}

base::Result<bool> hasP256(Connection &connection) {
    TPMI_YES_NO more = TPM2_NO;
    TPMS_CAPABILITY_DATA *data = nullptr;
    VC_TRY(connection.check("list the TPM's curves",
                            connection.tss().Esys_GetCapability(
                                connection.esys(), ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                TPM2_CAP_ECC_CURVES, 0, TPM2_MAX_ECC_CURVES, &more, &data)));
    const EsysMemory<TPMS_CAPABILITY_DATA> owner(data);
    const TPML_ECC_CURVE &curves = data->data.eccCurves;
    for (UINT32 i = 0; i < curves.count && i < TPM2_MAX_ECC_CURVES; ++i)
        if (curves.eccCurves[i] == TPM2_ECC_NIST_P256) return true;
    return false;
}

// Fills in what is known of a storage root key from its handle.
base::Status describe(Connection &connection, StorageRoot &root) {
    ESYS_CONTEXT *esys = connection.esys();
    TPM2B_NAME *nameMemory = nullptr;
    VC_TRY(
        connection.check("name the storage root key",
                         connection.tss().Esys_TR_GetName(esys, root.handle.get(), &nameMemory)));
    const EsysMemory<TPM2B_NAME> name(nameMemory);
    root.name.assign(reinterpret_cast<const char *>(name->name), name->size);
    uint8_t *bytes = nullptr;
    std::size_t size = 0;
    VC_TRY(connection.check(
        "serialise the storage root key",
        connection.tss().Esys_TR_Serialize(esys, root.handle.get(), &bytes, &size)));
    const EsysMemory<uint8_t> serialised(bytes);
    root.serialised.assign(reinterpret_cast<const char *>(serialised.get()), size);
    return {};
}

// What is at the persistent handle, if anything. Whatever it is, it must be able to be a parent.
base::Result<std::optional<StorageRoot>> persistent(Connection &connection) {
    ESYS_CONTEXT *esys = connection.esys();
    ESYS_TR object = ESYS_TR_NONE;
    const TSS2_RC code = connection.tss().Esys_TR_FromTPMPublic(
        esys, kPersistent, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &object);
    if (isNoSuchHandle(code)) return std::nullopt;
    VC_TRY(connection.check("look for the storage root key", code));
    StorageRoot root{.handle = Handle(connection, object, Handle::Kind::LetGo),
                     .serialised = {},
                     .name = {},
                     .algorithm = {},
                     .lockable = false};
    TPM2B_PUBLIC *area = nullptr;
    VC_TRY(
        connection.check("read the storage root key",
                         connection.tss().Esys_ReadPublic(esys, object, ESYS_TR_NONE, ESYS_TR_NONE,
                                                          ESYS_TR_NONE, &area, nullptr, nullptr)));
    const EsysMemory<TPM2B_PUBLIC> owner(area);
    const TPMA_OBJECT wanted = TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT;
    const bool ecc = area->publicArea.type == TPM2_ALG_ECC;
    if ((area->publicArea.objectAttributes & wanted) != wanted ||
        (!ecc && area->publicArea.type != TPM2_ALG_RSA))
        return base::fail(ErrorCode::TpmUnavailable,
                          "the TPM's persistent handle 0x81000001 holds something that is no "
                          "storage root key",
                          "`tpm2_readpublic -c 0x81000001` shows what it is.");
    root.algorithm = ecc ? "ecc" : "rsa";
    root.lockable = (area->publicArea.objectAttributes & TPMA_OBJECT_NODA) == 0;
    VC_TRY(describe(connection, root));
    return root;
}

base::Result<StorageRoot> makeTransient(Connection &connection, bool ecc) {
    const TPM2B_PUBLIC area = ecc ? eccTemplate() : rsaTemplate();
    const TPM2B_SENSITIVE_CREATE sensitive{};
    const TPM2B_DATA outside{};
    const TPML_PCR_SELECTION pcrs{};
    ESYS_TR object = ESYS_TR_NONE;
    VC_TRY(connection.check(
        "make the storage root key",
        connection.tss().Esys_CreatePrimary(connection.esys(), ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD,
                                            ESYS_TR_NONE, ESYS_TR_NONE, &sensitive, &area, &outside,
                                            &pcrs, &object, nullptr, nullptr, nullptr, nullptr)));
    StorageRoot root{.handle = Handle(connection, object, Handle::Kind::Flushed),
                     .serialised = {},
                     .name = {},
                     .algorithm = ecc ? "ecc" : "rsa",
                     .lockable = false};
    VC_TRY(describe(connection, root));
    return root;
}

base::Result<StorageRoot> makePersistent(Connection &connection, StorageRoot made) {
    ESYS_TR object = ESYS_TR_NONE;
    VC_TRY(connection.check(
        "keep the storage root key",
        connection.tss().Esys_EvictControl(connection.esys(), ESYS_TR_RH_OWNER, made.handle.get(),
                                           ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
                                           kPersistent, &object)));
    StorageRoot root{.handle = Handle(connection, object, Handle::Kind::LetGo),
                     .serialised = {},
                     .name = {},
                     .algorithm = made.algorithm,
                     .lockable = false};
    VC_TRY(describe(connection, root));
    return root;
}

base::Error foreign() {
    return {ErrorCode::ForeignTpm,
            "the key was sealed by another TPM, or this one was cleared since",
            "Another key of the volume opens it; sync then seals the key to this machine's TPM."};
}

// The name that is in a serialised handle: no TPM is asked.
base::Result<std::string> nameIn(Connection &connection, const std::string &serialised) {
    ESYS_TR object = ESYS_TR_NONE;
    if (connection.tss().Esys_TR_Deserialize(connection.esys(),
                                             reinterpret_cast<const uint8_t *>(serialised.data()),
                                             serialised.size(), &object) != TSS2_RC_SUCCESS)
        return base::fail(ErrorCode::HeaderCorrupt,
                          "the TPM token's storage root key cannot be read");
    const Handle handle(connection, object, Handle::Kind::LetGo);
    TPM2B_NAME *name = nullptr;
    if (connection.tss().Esys_TR_GetName(connection.esys(), object, &name) != TSS2_RC_SUCCESS)
        return base::fail(ErrorCode::HeaderCorrupt, "the TPM token's storage root key has no name");
    const EsysMemory<TPM2B_NAME> owner(name);
    return std::string(reinterpret_cast<const char *>(name->name), name->size);
}

}  // namespace

base::Result<std::string> findStorageRootKind(Connection &connection) {
    VC_ASSIGN(const auto found, persistent(connection));
    return found ? found->algorithm : std::string();
}

base::Status mayAuthorise(const StorageRoot &root) {
    if (!root.lockable) return {};
    return base::fail(
        ErrorCode::TpmUnavailable,
        "the storage root key at 0x81000001 was made by somebody else without noDA: where it has a "
        "password, each try without would count towards the TPM's lockout, so none is made",
        "`tpm2_readpublic -c 0x81000001` shows what it is. Where nobody else needs it, "
        "`tpm2_evictcontrol -C o -c 0x81000001` removes it, and the next sync makes one as the "
        "TCG's guidance says; what others sealed under it cannot be unsealed without it.");
}

base::Status mayAuthorisePresent(Connection &connection) {
    VC_ASSIGN(const auto found, persistent(connection));
    return found ? mayAuthorise(*found) : base::Status();
}

base::Status checkUse(Connection &connection, std::string_view what, std::uint32_t code) {
    auto done = connection.check(what, code);
    if (done || !isWrongPassword(code)) return done;
    return base::fail(
        std::move(done).error().withHint("The storage root key at 0x81000001 has a password, which "
                                         "a shared one must not have: whoever made it has to "
                                         "change that, or to make it anew without."));
}

base::Result<StorageRoot> findOrMakeStorageRoot(Connection &connection) {
    VC_ASSIGN(auto found, persistent(connection));
    if (found) return std::move(*found);
    VC_ASSIGN(const bool ecc, hasP256(connection));
    VC_ASSIGN(StorageRoot made, makeTransient(connection, ecc));
    return makePersistent(connection, std::move(made));
}

base::Result<StorageRoot> findStorageRoot(Connection &connection, const std::string &serialised,
                                          const std::string &algorithm) {
    VC_ASSIGN(const std::string expected, nameIn(connection, serialised));
    VC_ASSIGN(auto found, persistent(connection));
    if (found) {
        if (found->name != expected) return base::fail(foreign());
        return std::move(*found);
    }
    VC_ASSIGN(StorageRoot made, makeTransient(connection, algorithm != "rsa"));
    if (made.name != expected) return base::fail(foreign());
    return makePersistent(connection, std::move(made));
}

}  // namespace volumecrypt::tpm
