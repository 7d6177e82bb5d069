// SPDX-License-Identifier: Apache-2.0
// Preloaded into the engine while make.py makes its volumes: a key slot's area is 250 KiB that look
// random. Here the stripes of the anti-forensic splitter are zeros, and the key that encrypts them
// is written to $DERIVED_KEYS in hexadecimal, so that the area can be kept in the clear, where it is
// nearly empty, and made again. Everything else is as the engine and libcryptsetup write it.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <dlfcn.h>
#include <fcntl.h>
#include <unistd.h>

namespace {

// So many random pieces of one size, or one of this size, are the stripes of a key: they number 4000.
constexpr int kStripes = 16;
constexpr std::size_t kLongest = 4096;

template <typename Function>
Function *real(const char *name) {
    void *found = ::dlsym(RTLD_NEXT, name);
    if (found == nullptr) std::abort();
    return reinterpret_cast<Function *>(found);
}

bool isRandomDevice(int fd) {
    struct stat info {};
    return ::fstat(fd, &info) == 0 && S_ISCHR(info.st_mode) && info.st_rdev == makedev(1, 9);
}

void tell(const unsigned char *key, std::size_t size) {
    const char *path = std::getenv("DERIVED_KEYS");
    if (path == nullptr) return;
    std::string line;
    for (std::size_t i = 0; i < size; ++i) {
        constexpr const char *digits = "0123456789abcdef";
        line += digits[key[i] >> 4U];
        line += digits[key[i] & 15U];
    }
    line += '\n';
    const int log = ::open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log < 0 || ::write(log, line.data(), line.size()) < 0) std::abort();
    ::close(log);
}

}  // namespace

struct evp_kdf_ctx_st;
struct ossl_param_st;

// Debian 12's libcryptsetup reads stripe by stripe, others read all of them at once.
extern "C" ssize_t read(int fd, void *bytes, std::size_t count) {
    static auto *const function = real<ssize_t(int, void *, std::size_t)>("read");
    static std::size_t last = 0;
    static int times = 0;
    const ssize_t got = function(fd, bytes, count);
    if (got <= 0 || !isRandomDevice(fd)) return got;
    times = count == last ? times + 1 : 0;
    last = count;
    if (times >= kStripes || count > kLongest)
        std::memset(bytes, 0, static_cast<std::size_t>(got));
    return got;
}

// libcryptsetup derives keys by the one or by the other.
extern "C" int EVP_KDF_derive(evp_kdf_ctx_st *context, unsigned char *key, std::size_t size,
                              const ossl_param_st *parameters) {
    using Function = int(evp_kdf_ctx_st *, unsigned char *, std::size_t, const ossl_param_st *);
    static auto *const function = real<Function>("EVP_KDF_derive");
    const int done = function(context, key, size, parameters);
    if (done == 1) tell(key, size);
    return done;
}

// The first members of libargon2's.
struct Argon2_Context {
    unsigned char *out;
    std::uint32_t outlen;
};

extern "C" int argon2_ctx(Argon2_Context *context, int type) {
    static auto *const function = real<int(Argon2_Context *, int)>("argon2_ctx");
    const int failed = function(context, type);
    if (failed == 0) tell(context->out, context->outlen);
    return failed;
}
