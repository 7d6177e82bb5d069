// SPDX-License-Identifier: Apache-2.0
// Preloaded into the engine: writes one byte to $KDF_LOG for each key derivation that libcryptsetup
// is asked for.
#include <cstddef>
#include <cstdlib>

#include <dlfcn.h>
#include <fcntl.h>
#include <unistd.h>

struct crypt_device;

extern "C" int crypt_volume_key_get(crypt_device *device, int slot, char *key, std::size_t *keySize,
                                    const char *passphrase, std::size_t passphraseSize) {
    using Function = int (*)(crypt_device *, int, char *, std::size_t *, const char *, std::size_t);
    // A slot is opened by deriving its key; the header's own key, kept after a format, costs
    // nothing.
    if (const char *path = std::getenv("KDF_LOG"); path != nullptr && passphrase != nullptr) {
        const int log = ::open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (log < 0 || ::write(log, "k", 1) != 1) std::abort();
        ::close(log);
    }
    const auto real = reinterpret_cast<Function>(::dlsym(RTLD_NEXT, "crypt_volume_key_get"));
    return real(device, slot, key, keySize, passphrase, passphraseSize);
}
