// SPDX-License-Identifier: Apache-2.0
// Seal and Unseal: who may, with which key, and the line in the journal.
#include "kms_server/handler.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <grpc/grpc_security_constants.h>
#include <grpcpp/security/auth_context.h>
#include <grpcpp/server_context.h>

#include "base/journal.h"
#include "base/text.h"
#include "kms.grpc.pb.h"
#include "kms_server/key_store.h"
#include "kms_server/sealing.h"

namespace volumecrypt::kms_server {
namespace {

using base::ErrorCode;
using grpc::StatusCode;

constexpr std::size_t kLongestText = 200;

// Names in the client's certificate; empty without one.
std::vector<std::string> namesOf(const grpc::ServerContext &context) {
    std::vector<std::string> names;
    const auto authentication = context.auth_context();
    for (const char *property : {GRPC_X509_CN_PROPERTY_NAME, GRPC_X509_SAN_PROPERTY_NAME})
        for (const grpc::string_ref &value : authentication->FindPropertyValues(property))
            names.emplace_back(value.data(), value.size());
    return names;
}

void audit(const grpc::ServerContext &context, const char *operation, const std::string &node,
           const grpc::Status &status) {
    const std::vector<std::string> names = namesOf(context);
    const std::string client =
        names.empty() ? "no certificate" : base::printableText(names.front(), kLongestText);
    const std::string shown = base::printableText(node, kLongestText);
    const std::string outcome = status.ok() ? "done" : "refused: " + status.error_message();
    base::log(status.ok() ? base::Severity::Notice : base::Severity::Warning,
              std::string(operation) + " for node " + shown + ", asked by " + context.peer() +
                  " (" + client + "): " + outcome,
              {{"OPERATION", operation},
               {"NODE", shown},
               {"PEER", context.peer()},
               {"CLIENT", client},
               {"OUTCOME", outcome}});
}

// What the client may know of a failure.
grpc::Status statusOf(const base::Error &error) {
    if (error.code == ErrorCode::KeyRejected) return {StatusCode::PERMISSION_DENIED, error.message};
    if (error.code == ErrorCode::NotFound)
        return {StatusCode::NOT_FOUND, "this server has no key for the node"};
    base::log(base::Severity::Error, error.message);
    return {StatusCode::INTERNAL, "the node's key cannot be used"};
}

class Handler : public sidero::kms::KMSService::Service {
  public:
    Handler(KeyStore keys, bool matchCertificate)
        : keys_(std::move(keys)), matchCertificate_(matchCertificate) {}

    grpc::Status Seal(grpc::ServerContext *context, const sidero::kms::Request *request,
                      sidero::kms::Response *response) override {
        grpc::Status status = sealFor(*context, *request, *response);
        audit(*context, "seal", request->node_uuid(), status);
        return status;
    }
    grpc::Status Unseal(grpc::ServerContext *context, const sidero::kms::Request *request,
                        sidero::kms::Response *response) override {
        grpc::Status status = unsealFor(*context, *request, *response);
        audit(*context, "unseal", request->node_uuid(), status);
        return status;
    }

  private:
    [[nodiscard]] grpc::Status check(const grpc::ServerContext &context,
                                     const sidero::kms::Request &request,
                                     std::size_t dataSize) const {
        if (keyNamesOf(request.node_uuid()).empty())
            return {StatusCode::INVALID_ARGUMENT, "the node's UUID is empty or too long"};
        if (request.data().size() != dataSize)
            return {StatusCode::INVALID_ARGUMENT, "incorrect data length"};
        if (!matchCertificate_) return grpc::Status::OK;
        const std::vector<std::string> names = namesOf(context);
        const bool matches = std::ranges::any_of(names, [&request](const std::string &name) {
            return isNameOf(request.node_uuid(), name);
        });
        if (matches) return grpc::Status::OK;
        return {StatusCode::PERMISSION_DENIED, "the client certificate is another node's"};
    }

    [[nodiscard]] grpc::Status sealFor(const grpc::ServerContext &context,
                                       const sidero::kms::Request &request,
                                       sidero::kms::Response &response) const {
        if (auto status = check(context, request, kDataSize); !status.ok()) return status;
        const auto key = keys_.keyFor(request.node_uuid());
        if (!key) return statusOf(key.error());
        const auto sealed = seal(*key, base::SecretBuffer::copyOf(request.data()));
        if (!sealed) return statusOf(sealed.error());
        response.set_data(*sealed);
        return grpc::Status::OK;
    }

    [[nodiscard]] grpc::Status unsealFor(const grpc::ServerContext &context,
                                         const sidero::kms::Request &request,
                                         sidero::kms::Response &response) const {
        if (auto status = check(context, request, kSealedSize); !status.ok()) return status;
        const auto key = keys_.keyFor(request.node_uuid());
        if (!key) return statusOf(key.error());
        const auto data = unseal(*key, request.data());
        if (!data) return statusOf(data.error());
        response.set_data(data->chars(), data->size());
        return grpc::Status::OK;
    }

    KeyStore keys_;
    bool matchCertificate_;
};

}  // namespace

std::unique_ptr<grpc::Service> makeHandler(KeyStore keys, bool matchCertificate) {
    return std::make_unique<Handler>(std::move(keys), matchCertificate);
}

}  // namespace volumecrypt::kms_server
