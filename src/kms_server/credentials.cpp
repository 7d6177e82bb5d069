// SPDX-License-Identifier: Apache-2.0
// Reads certificates and keys from PEM files, and tries them with OpenSSL.
#include "kms_server/credentials.h"

#include <string>

#include <openssl/pem.h>
#include <openssl/x509.h>

#include "base/files.h"
#include "base/scope_exit.h"

namespace volumecrypt::kms_server {
namespace {

using base::ErrorCode;
using Bio = base::CHandle<BIO, BIO_free_all>;
using Certificate = base::CHandle<X509, X509_free>;
using Key = base::CHandle<EVP_PKEY, EVP_PKEY_free>;

constexpr std::size_t kLongestFile = std::size_t{1} << 20;

Bio reader(const std::string &pem) {
    return Bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

Certificate certificateIn(const std::string &pem) {
    return Certificate(PEM_read_bio_X509(reader(pem).get(), nullptr, nullptr, nullptr));
}

// Asks nobody for a passphrase.
Key keyIn(const std::string &pem) {
    const auto none = [](char *, int, int, void *) { return 0; };
    return Key(PEM_read_bio_PrivateKey(reader(pem).get(), nullptr, none, nullptr));
}

base::Status check(const Options &options, const grpc::SslServerCredentialsOptions &tls) {
    const auto &pair = tls.pem_key_cert_pairs.front();
    const Certificate certificate = certificateIn(pair.cert_chain);
    if (!certificate)
        return base::fail(ErrorCode::InvalidConfig,
                          options.tlsCert + " holds no certificate in PEM format",
                          "Convert it with `openssl x509`.");
    const Key key = keyIn(pair.private_key);
    if (!key)
        return base::fail(
            ErrorCode::InvalidConfig,
            options.tlsKey + " holds no private key in PEM format that needs no passphrase",
            "Convert it with `openssl pkey`.");
    if (X509_check_private_key(certificate.get(), key.get()) != 1)
        return base::fail(
            ErrorCode::InvalidConfig,
            options.tlsKey + " is not the key of the certificate in " + options.tlsCert,
            "The server's own certificate comes first in its file.");
    if (!options.clientCa.empty() && !certificateIn(tls.pem_root_certs))
        return base::fail(ErrorCode::InvalidConfig,
                          options.clientCa + " holds no certificate in PEM format",
                          "Convert it with `openssl x509`.");
    return {};
}

}  // namespace

base::Result<std::shared_ptr<grpc::ServerCredentials>> credentialsFor(const Options &options) {
    if (options.plaintext) return grpc::InsecureServerCredentials();
    grpc::SslServerCredentialsOptions tls(
        options.clientCa.empty() ? GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE
                                 : GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
    VC_ASSIGN(const std::string certificate, base::readFile(options.tlsCert, kLongestFile));
    VC_ASSIGN(const std::string key, base::readFile(options.tlsKey, kLongestFile));
    if (!options.clientCa.empty()) {
        VC_ASSIGN(tls.pem_root_certs, base::readFile(options.clientCa, kLongestFile));
    }
    tls.pem_key_cert_pairs.push_back({.private_key = key, .cert_chain = certificate});
    VC_TRY(check(options, tls));
    return grpc::SslServerCredentials(tls);
}

}  // namespace volumecrypt::kms_server
