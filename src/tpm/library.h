// SPDX-License-Identifier: Apache-2.0
// The libraries of tpm2-tss, loaded when a run turns out to need a TPM: most runs do not, and
// mapping and relocating them is a good part of what starting the engine costs. Internal to this
// folder.
#pragma once

#include <memory>
#include <vector>

#include <tss2/tss2_esys.h>
#include <tss2/tss2_mu.h>
#include <tss2/tss2_rc.h>
#include <tss2/tss2_tctildr.h>

#include "base/result.h"

// Every function of tpm2-tss that this folder calls.
#define VC_TSS_FUNCTIONS(X)            \
    X(Esys_Create)                     \
    X(Esys_CreatePrimary)              \
    X(Esys_EvictControl)               \
    X(Esys_Finalize)                   \
    X(Esys_FlushContext)               \
    X(Esys_Free)                       \
    X(Esys_GetCapability)              \
    X(Esys_GetRandom)                  \
    X(Esys_Initialize)                 \
    X(Esys_Load)                       \
    X(Esys_LoadExternal)               \
    X(Esys_PCR_Read)                   \
    X(Esys_PolicyAuthorize)            \
    X(Esys_PolicyGetDigest)            \
    X(Esys_PolicyPCR)                  \
    X(Esys_ReadPublic)                 \
    X(Esys_StartAuthSession)           \
    X(Esys_TRSess_SetAttributes)       \
    X(Esys_TR_Close)                   \
    X(Esys_TR_Deserialize)             \
    X(Esys_TR_FromTPMPublic)           \
    X(Esys_TR_GetName)                 \
    X(Esys_TR_Serialize)               \
    X(Esys_Unseal)                     \
    X(Esys_VerifySignature)            \
    X(Tss2_MU_TPM2B_PRIVATE_Marshal)   \
    X(Tss2_MU_TPM2B_PRIVATE_Unmarshal) \
    X(Tss2_MU_TPM2B_PUBLIC_Marshal)    \
    X(Tss2_MU_TPM2B_PUBLIC_Unmarshal)  \
    X(Tss2_MU_TPMT_PUBLIC_Unmarshal)   \
    X(Tss2_RC_Decode)                  \
    X(Tss2_TctiLdr_Finalize)           \
    X(Tss2_TctiLdr_Initialize)

namespace volumecrypt::tpm {

// The functions under their own names.
struct Library {
// NOLINTNEXTLINE(bugprone-macro-parentheses): what is declared cannot stand in parentheses.
#define VC_TSS_MEMBER(name) decltype(&::name) name = nullptr;
    VC_TSS_FUNCTIONS(VC_TSS_MEMBER)
#undef VC_TSS_MEMBER

    // Loads the libraries at the first call, and never unloads them: what they made may live until
    // the process ends. TpmUnavailable when one is missing. Callable by several threads.
    static base::Result<const Library *> load();
    // What was loaded; null before the first successful load(). Nothing that comes from these
    // libraries exists before.
    static const Library *loaded() noexcept;
};

// A shared object, and the package of this distribution that has it.
struct LibraryFile {
    const char *name;
    const char *package;
};

const std::vector<LibraryFile> &libraryFiles();

// The functions out of `files`; each one must be in one of them.
base::Result<Library> loadFrom(const std::vector<LibraryFile> &files);

// What ESYS allocates for its caller.
struct EsysDeleter {
    void operator()(void *memory) const noexcept {
        if (const Library *library = Library::loaded(); library != nullptr)
            library->Esys_Free(memory);
    }
};
template <typename T>
using EsysMemory = std::unique_ptr<T, EsysDeleter>;

}  // namespace volumecrypt::tpm
