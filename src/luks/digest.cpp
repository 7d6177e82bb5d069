// SPDX-License-Identifier: Apache-2.0
// EVP digests.
#include "luks/digest.h"

#include <openssl/evp.h>

#include "base/c_handle.h"

namespace volumecrypt::luks {

base::Result<std::string> hashOf(const std::string &algorithm,
                                 std::initializer_list<std::string_view> parts) {
    const base::CHandle<EVP_MD, EVP_MD_free> type(
        ::EVP_MD_fetch(nullptr, algorithm.c_str(), nullptr));
    const base::CHandle<EVP_MD_CTX, EVP_MD_CTX_free> context(::EVP_MD_CTX_new());
    if (!type) return base::fail(base::ErrorCode::Unsupported, "unknown hash " + algorithm);
    if (!context || ::EVP_DigestInit_ex2(context.get(), type.get(), nullptr) != 1)
        return base::fail(base::ErrorCode::Internal, "libcrypto cannot start " + algorithm);
    for (const std::string_view part : parts)
        if (::EVP_DigestUpdate(context.get(), part.data(), part.size()) != 1)
            return base::fail(base::ErrorCode::Internal,
                              "libcrypto cannot go on with " + algorithm);
    unsigned char value[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (::EVP_DigestFinal_ex(context.get(), value, &size) != 1)
        return base::fail(base::ErrorCode::Internal, "libcrypto cannot finish " + algorithm);
    return std::string(reinterpret_cast<const char *>(value), size);
}

}  // namespace volumecrypt::luks
