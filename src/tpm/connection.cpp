// SPDX-License-Identifier: Apache-2.0
// Opens and closes a TPM, and cleans up after failures.
#include "tpm/connection.h"

#include <cstdlib>
#include <string>

#include "tpm/device.h"
#include "tpm/response.h"

namespace volumecrypt::tpm {
namespace {

// tpm2-tss would write to standard error, which belongs to the program.
void silenceTss() {
    (void)::setenv("TSS2_LOG", "all+NONE", 0);
}

}  // namespace

base::Result<std::unique_ptr<Connection>> Connection::open(const Access &access) {
    silenceTss();
    VC_ASSIGN(const std::string tcti, chooseTcti(access));
    std::unique_ptr<Connection> connection(new Connection);
    VC_ASSIGN(connection->tss_, Library::load());
    VC_ASSIGN(connection->lock_, lockTpm(access, tcti));
    VC_TRY(connection->connect(access, tcti));
    if (!isResourceManaged(tcti)) VC_TRY(connection->takeOver(access, tcti));
    return connection;
}

base::Status Connection::takeOver(const Access &access, const std::string &tcti) {
    const OpeningNote note(access.paths, tcti);
    const auto ofTheDead = note.read();
    if (ofTheDead && !flushAllBut(*ofTheDead)) {
        before_ = *ofTheDead;  // the sweep at the end is another chance
    } else {
        VC_ASSIGN(before_, handles());
    }
    // Without a note only the help for the next one is missing.
    (void)note.write(before_);
    note_ = note;
    return {};
}

base::Status Connection::connect(const Access &access, const std::string &tcti) {
    const auto unavailable = [&](base::Error error) {
        error.code = base::ErrorCode::TpmUnavailable;
        if (error.hint.empty())
            error.hint = "Check the TPM: `volumecryptctl tpm`, `tpm2_getcap properties-fixed`.";
        return base::fail(std::move(error));
    };
    TSS2_RC code = tss_->Tss2_TctiLdr_Initialize(tcti.c_str(), &tcti_);
    if (code != TSS2_RC_SUCCESS) {
        // Asked only now: an opening of the device has its price. Or who had it is done with it.
        VC_TRY(expectDevice(access, tcti));
        code = tss_->Tss2_TctiLdr_Initialize(tcti.c_str(), &tcti_);
    }
    if (code != TSS2_RC_SUCCESS) return unavailable(responseError("open the TPM at " + tcti, code));
    if (auto started = startEsys(); !started) return unavailable(std::move(started).error());
    return {};
}

base::Status Connection::startEsys() {
    if (esys_ != nullptr) tss_->Esys_Finalize(&esys_);
    return check("talk to the TPM", tss_->Esys_Initialize(&esys_, tcti_, nullptr));
}

Connection::~Connection() {
    // When that fails, the next one to open the TPM does it.
    if (note_ && (!failed_ || sweep())) note_->remove();
    if (esys_ != nullptr) tss_->Esys_Finalize(&esys_);
    if (tcti_ != nullptr) tss_->Tss2_TctiLdr_Finalize(&tcti_);
}

base::Status Connection::check(std::string_view what, TSS2_RC code) {
    if (code == TSS2_RC_SUCCESS) return {};
    failed_ = true;
    return base::fail(responseError(what, code));
}

base::Result<Handles> Connection::handles() {
    Handles found;
    for (const TPM2_HANDLE first : {TPM2_TRANSIENT_FIRST, TPM2_LOADED_SESSION_FIRST}) {
        TPMI_YES_NO more = TPM2_NO;
        TPMS_CAPABILITY_DATA *data = nullptr;
        VC_TRY(check(
            "list what is in the TPM",
            tss_->Esys_GetCapability(esys_, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                     TPM2_CAP_HANDLES, first, TPM2_MAX_CAP_HANDLES, &more, &data)));
        const EsysMemory<TPMS_CAPABILITY_DATA> owner(data);
        const TPML_HANDLE &list = data->data.handles;
        for (UINT32 i = 0; i < list.count && i < TPM2_MAX_CAP_HANDLES; ++i)
            // Loaded sessions are listed by the number that their kind has.
            found.insert(list.handle[i]);
    }
    return found;
}

base::Status Connection::sweep() {
    VC_TRY(startEsys());
    return flushAllBut(before_);
}

base::Status Connection::flushAllBut(const Handles &kept) {
    VC_ASSIGN(const Handles now, handles());
    for (const TPM2_HANDLE handle : now) {
        if (kept.contains(handle)) continue;
        ESYS_TR object = ESYS_TR_NONE;
        VC_TRY(check("look at what was left in the TPM",
                     tss_->Esys_TR_FromTPMPublic(esys_, handle, ESYS_TR_NONE, ESYS_TR_NONE,
                                                 ESYS_TR_NONE, &object)));
        VC_TRY(check("flush", tss_->Esys_FlushContext(esys_, object)));
    }
    return {};
}

void Handle::reset() noexcept {
    const ESYS_TR value = std::exchange(value_, ESYS_TR_NONE);
    if (value == ESYS_TR_NONE) return;
    ESYS_TR handle = value;
    if (kind_ == Kind::LetGo) {
        (void)connection_->tss().Esys_TR_Close(connection_->esys(), &handle);
        return;
    }
    // A failure is noted, so that the connection sweeps at its end.
    (void)connection_->check("flush",
                             connection_->tss().Esys_FlushContext(connection_->esys(), handle));
}

}  // namespace volumecrypt::tpm
