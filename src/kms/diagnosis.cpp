// SPDX-License-Identifier: Apache-2.0
// Looks at the certificate of a server: a channel whose verifier accepts nothing, and remembers
// why.
#include "kms/diagnosis.h"

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <grpcpp/channel.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_certificate_verifier.h>
#include <grpcpp/security/tls_credentials_options.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "base/scope_exit.h"

namespace volumecrypt::kms {
namespace {

namespace tls = grpc::experimental;

void freeChain(STACK_OF(X509) * chain) {
    sk_X509_pop_free(chain, X509_free);
}
using Chain = base::CHandle<STACK_OF(X509), freeChain>;

Chain readChain(const std::string &pem) {
    Chain chain(sk_X509_new_null());
    const base::CHandle<BIO, BIO_free_all> bio(
        BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
    while (X509 *certificate = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr))
        sk_X509_push(chain.get(), certificate);
    return chain;
}

TlsFault faultOf(int code) {
    switch (code) {
        case X509_V_ERR_CERT_HAS_EXPIRED:
            return TlsFault::Expired;
        case X509_V_ERR_CERT_NOT_YET_VALID:
            return TlsFault::NotYetValid;
        case X509_V_ERR_HOSTNAME_MISMATCH:
        case X509_V_ERR_IP_ADDRESS_MISMATCH:
            return TlsFault::WrongName;
        case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
        case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        case X509_V_ERR_CERT_UNTRUSTED:
        case X509_V_ERR_CERT_SIGNATURE_FAILURE:
            return TlsFault::UnknownAuthority;
        default:
            return TlsFault::Other;
    }
}

std::optional<TlsFinding> examine(const std::string &chainPem, const std::string &rootsPem,
                                  const std::string &host) {
    const Chain chain = readChain(chainPem);
    const Chain roots = readChain(rootsPem);
    const base::CHandle<X509_STORE, X509_STORE_free> store(X509_STORE_new());
    const base::CHandle<X509_STORE_CTX, X509_STORE_CTX_free> context(X509_STORE_CTX_new());
    if (!store || !context || sk_X509_num(chain.get()) == 0) return std::nullopt;
    for (int i = 0; i < sk_X509_num(roots.get()); ++i)
        X509_STORE_add_cert(store.get(), sk_X509_value(roots.get(), i));
    X509_STORE_CTX_init(context.get(), store.get(), sk_X509_value(chain.get(), 0), chain.get());
    X509_STORE_CTX_set_default(context.get(), "ssl_server");
    X509_VERIFY_PARAM *parameters = X509_STORE_CTX_get0_param(context.get());
    if (X509_VERIFY_PARAM_set1_ip_asc(parameters, host.c_str()) != 1)
        X509_VERIFY_PARAM_set1_host(parameters, host.data(), host.size());
    if (X509_verify_cert(context.get()) == 1) return TlsFinding{};
    const int code = X509_STORE_CTX_get_error(context.get());
    return TlsFinding{.fault = faultOf(code), .detail = X509_verify_cert_error_string(code)};
}

class Finding {
  public:
    void set(std::optional<TlsFinding> found) {
        const std::lock_guard lock(mutex_);
        found_ = std::move(found);
    }
    std::optional<TlsFinding> get() {
        const std::lock_guard lock(mutex_);
        return found_;
    }

  private:
    std::mutex mutex_;
    std::optional<TlsFinding> found_;
};

class Examiner : public tls::ExternalCertificateVerifier {
  public:
    Examiner(std::string roots, std::string host, std::shared_ptr<Finding> finding)
        : roots_(std::move(roots)), host_(std::move(host)), finding_(std::move(finding)) {}

    bool Verify(tls::TlsCustomVerificationCheckRequest *request,
                std::function<void(grpc::Status)> /*callback*/, grpc::Status *status) override {
        const grpc::string_ref full = request->peer_cert_full_chain();
        const grpc::string_ref own = request->peer_cert();
        const grpc::string_ref &pem = full.empty() ? own : full;
        finding_->set(examine(std::string(pem.data(), pem.size()), roots_, host_));
        *status = grpc::Status(grpc::StatusCode::UNAUTHENTICATED, "only looked at");
        return true;
    }
    void Cancel(tls::TlsCustomVerificationCheckRequest * /*request*/) override {}

  private:
    std::string roots_;
    std::string host_;
    std::shared_ptr<Finding> finding_;
};

}  // namespace

std::optional<TlsFinding> diagnose(const Endpoint &endpoint, const Certificates &certificates,
                                   bool throughProxy,
                                   std::chrono::system_clock::time_point deadline) {
    const auto finding = std::make_shared<Finding>();
    tls::TlsChannelCredentialsOptions options;
    std::vector<tls::IdentityKeyCertPair> identity;
    if (!certificates.clientChain.empty())
        identity.push_back(
            {.private_key = certificates.clientKey, .certificate_chain = certificates.clientChain});
    options.set_certificate_provider(
        std::make_shared<tls::StaticDataCertificateProvider>(certificates.roots, identity));
    options.watch_root_certs();
    if (!identity.empty()) options.watch_identity_key_cert_pairs();
    options.set_verify_server_certs(false);
    options.set_check_call_host(false);
#ifndef __clang_analyzer__  // which takes what gRPC owns for a leak
    options.set_certificate_verifier(tls::ExternalCertificateVerifier::Create<Examiner>(
        certificates.roots, endpoint.host, finding));
#endif
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, throughProxy ? 1 : 0);
    const auto channel = grpc::CreateCustomChannel("dns:///" + endpoint.authority(),
                                                   tls::TlsCredentials(options), arguments);
    for (auto state = channel->GetState(true); state != GRPC_CHANNEL_TRANSIENT_FAILURE;
         state = channel->GetState(true))
        if (!channel->WaitForStateChange(state, deadline)) break;
    return finding->get();
}

}  // namespace volumecrypt::kms
