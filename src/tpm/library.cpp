// SPDX-License-Identifier: Apache-2.0
// Loads the libraries of tpm2-tss by dlopen and dlsym.
#include "tpm/library.h"

#include <atomic>
#include <mutex>
#include <string>

#include <dlfcn.h>

namespace volumecrypt::tpm {
namespace {

using base::ErrorCode;

// Stay for the life of the process.
using Objects = std::vector<void *>;

base::Result<Objects> open(const std::vector<LibraryFile> &files) {
    Objects objects;
    objects.reserve(files.size());
    for (const LibraryFile &file : files) {
        void *handle = ::dlopen(file.name, RTLD_NOW | RTLD_LOCAL);
        if (handle == nullptr) {
            const char *why = ::dlerror();
            return base::fail(ErrorCode::TpmUnavailable,
                              std::string("TPM keys need the library ") + file.name +
                                  ", which cannot be loaded: " + (why != nullptr ? why : "?"),
                              std::string("Install tpm2-tss (the package ") + file.package +
                                  " or one of a similar name), or declare another key kind.");
        }
        objects.push_back(handle);
    }
    return objects;
}

void *find(const Objects &objects, const char *name) {
    for (void *handle : objects)
        if (void *symbol = ::dlsym(handle, name); symbol != nullptr) return symbol;
    return nullptr;
}

template <typename Function>
base::Status bind(const Objects &objects, const char *name, Function &into) {
    into = reinterpret_cast<Function>(find(objects, name));
    if (into != nullptr) return {};
    return base::fail(ErrorCode::TpmUnavailable,
                      std::string("the installed tpm2-tss has no function ") + name,
                      "Install version 2.4 or a later one of tpm2-tss.");
}

}  // namespace

const std::vector<LibraryFile> &libraryFiles() {
    static const std::vector<LibraryFile> files{
        {.name = "libtss2-mu.so.0", .package = "libtss2-mu0"},
        {.name = "libtss2-esys.so.0", .package = "libtss2-esys-3.0.2-0"},
        {.name = "libtss2-rc.so.0", .package = "libtss2-rc0"},
        {.name = "libtss2-tctildr.so.0", .package = "libtss2-tctildr0"},
    };
    return files;
}

base::Result<Library> loadFrom(const std::vector<LibraryFile> &files) {
    VC_ASSIGN(const Objects objects, open(files));
    Library library;
#define VC_TSS_BIND(name) VC_TRY(bind(objects, #name, library.name));
    VC_TSS_FUNCTIONS(VC_TSS_BIND)
#undef VC_TSS_BIND
    return library;
}

namespace {

std::atomic<const Library *> theLoaded{nullptr};

}  // namespace

base::Result<const Library *> Library::load() {
    static std::mutex mutex;
    static Library library;
    const std::lock_guard<std::mutex> guard(mutex);
    if (theLoaded.load() == nullptr) {
        VC_ASSIGN(library, loadFrom(libraryFiles()));
        theLoaded.store(&library);
    }
    return theLoaded.load();
}

const Library *Library::loaded() noexcept {
    return theLoaded.load();
}

}  // namespace volumecrypt::tpm
