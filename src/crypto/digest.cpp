// SPDX-License-Identifier: Apache-2.0
// Hashes by the EVP interface of OpenSSL 3.
#include "crypto/digest.h"

#include <algorithm>
#include <array>
#include <cstdlib>

#include "base/files.h"

namespace volumecrypt::crypto {

base::Result<Hash> Hash::start(const std::string &algorithm) {
    Hash hash;
    hash.type_.reset(::EVP_MD_fetch(nullptr, algorithm.c_str(), nullptr));
    if (!hash.type_) return base::fail(base::ErrorCode::Unsupported, "unknown hash " + algorithm);
    hash.context_.reset(::EVP_MD_CTX_new());
    if (!hash.context_ || ::EVP_DigestInit_ex2(hash.context_.get(), hash.type_.get(), nullptr) != 1)
        return base::fail(base::ErrorCode::Internal, "libcrypto cannot start " + algorithm);
    return hash;
}

base::Status Hash::update(std::string_view part) {
    if (::EVP_DigestUpdate(context_.get(), part.data(), part.size()) == 1) return {};
    return base::fail(base::ErrorCode::Internal, "libcrypto cannot go on with a hash");
}

base::Result<std::string> Hash::finish() {
    unsigned char value[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (::EVP_DigestFinal_ex(context_.get(), value, &size) != 1)
        return base::fail(base::ErrorCode::Internal, "libcrypto cannot finish a hash");
    return std::string(reinterpret_cast<const char *>(value), size);
}

base::Result<std::string> sha256OfRange(std::string_view head, int fd, std::uint64_t offset,
                                        std::uint64_t size) {
    VC_ASSIGN(Hash hash, Hash::start("sha256"));
    VC_TRY(hash.update(head));
    std::array<std::byte, kHashPiece> chunk;
    for (const std::uint64_t end = offset + size; offset < end;) {
        const auto piece = std::span(chunk).first(
            static_cast<std::size_t>(std::min<std::uint64_t>(chunk.size(), end - offset)));
        VC_TRY(base::readExactly(fd, piece, offset));
        VC_TRY(hash.update(asText(piece)));
        offset += piece.size();
    }
    return hash.finish();
}

std::string sha256(std::string_view bytes) {
    std::string digest(kSha256Size, '\0');
    unsigned length = 0;
    if (::EVP_Digest(bytes.data(), bytes.size(), reinterpret_cast<unsigned char *>(digest.data()),
                     &length, ::EVP_sha256(), nullptr) != 1)
        std::abort();
    return digest;
}

}  // namespace volumecrypt::crypto
