// SPDX-License-Identifier: Apache-2.0
// From a declared kms key to the server and back.
#include "keys/kms.h"

#include <cstdlib>
#include <random>
#include <string_view>
#include <utility>

#include <nlohmann/json.hpp>
#include <openssl/rand.h>

#include "base/child_process.h"
#include "base/foreign_json.h"
#include "base/text.h"
#include "crypto/base64.h"
#include "keys/node_id.h"
#include "model/slot_token.h"

namespace volumecrypt::keys {
namespace {

using base::ErrorCode;
using base::KmsOperation;
using Json = nlohmann::json;

constexpr std::size_t kKeySize = 32;
constexpr std::size_t kLongestSealed = std::size_t{16} << 10;  // what a token can hold with ease
constexpr std::size_t kLongestShown = 256;                     // of what a token says
constexpr int kCallTimeoutMs = 10'000;
constexpr int kHelperExtraMs = 5'000;  // to start, and to end by itself
constexpr int kFirstPauseMs = 500;

// What the helper needs of our environment.
std::vector<std::string> helperEnvironment() {
    std::vector<std::string> environment{"LC_ALL=C"};
    for (const char *name : {"HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"})
        if (const char *value = std::getenv(name); value != nullptr)
            environment.push_back(std::string(name) + "=" + value);
    return environment;
}

// Machines that lost the same server come back at different times.
int withJitter(int milliseconds) {
    std::random_device random;
    return std::uniform_int_distribution<int>(milliseconds / 2, milliseconds * 3 / 2)(random);
}

base::Result<base::SecretBuffer> randomKey() {
    base::SecretBuffer key(kKeySize);
    if (RAND_bytes(reinterpret_cast<unsigned char *>(key.chars()), kKeySize) == 1) return key;
    return base::fail(ErrorCode::Internal, "OpenSSL has no random bytes");
}

auto corrupt(const std::string &what) {
    return base::fail(ErrorCode::HeaderCorrupt, "its token is no sealed KMS key: " + what,
                      "When another key opens the volume, sync makes a new one.");
}

}  // namespace

std::string KmsToken::toJson() const {
    const Json json = {
        {"type", model::kKmsTokenType},
        {"keyslots", Json::array()},
        {"UserData",
         {{"sealedData", crypto::toBase64(sealedData)}, {"endpoint", endpoint}, {"slot", slot}}}};
    return json.dump();
}

base::Result<KmsToken> KmsToken::fromJson(const std::string &json) {
    const Json parsed = base::parseForeignJson(json);
    if (!parsed.is_object()) return corrupt("it is no JSON object");
    const auto data = parsed.find("UserData");
    if (data == parsed.end() || !data->is_object()) return corrupt("it has no UserData");
    const auto sealed = data->find("sealedData");
    if (sealed == data->end() || !sealed->is_string()) return corrupt("it has no sealedData");
    const auto bytes = crypto::fromBase64(sealed->get<std::string>());
    if (!bytes || bytes->empty() || bytes->size() > kLongestSealed)
        return corrupt("its sealedData is no base64 text of 1 to 16384 bytes");
    KmsToken token;
    token.sealedData = *bytes;
    if (const auto at = data->find("endpoint"); at != data->end() && at->is_string())
        token.endpoint = at->get<std::string>();
    if (const auto at = data->find("slot"); at != data->end())
        token.slot = base::integerIn<unsigned>(*at).value_or(token.slot);
    return token;
}

KmsKeySource::KmsKeySource(const model::KeySpec &spec, KeyContext context)
    : SealedKeySource(spec, "KMS"),
      key_(std::get<model::KmsKey>(spec.parameters)),
      context_(std::move(context)) {}

base::Result<base::SecretBuffer> KmsKeySource::callOnce(const base::KmsRequest &request) const {
    VC_ASSIGN(const base::SecretBuffer message, base::encodeKmsRequest(request));
    auto outcome = base::runWithSecret({.argv = {context_.kmsHelper},
                                        .environment = helperEnvironment(),
                                        .limit = base::kLongestKmsMessage,
                                        .timeoutMs = kCallTimeoutMs + kHelperExtraMs},
                                       message);
    if (!outcome && outcome.error().code == ErrorCode::NotFound)
        return base::fail(ErrorCode::Unsupported, context_.kmsHelper + " is not installed",
                          "Install it to use kms keys: the package volumecrypt-kms.");
    if (!outcome) return base::fail(std::move(outcome).error());
    auto answer = base::decodeKmsAnswer(outcome->output);
    if (!answer && answer.error().code == ErrorCode::Internal)
        return base::fail(std::move(answer).error().because(
            context_.kmsHelper + " ended with status " + std::to_string(outcome->exitCode)));
    return answer;
}

base::Result<base::SecretBuffer> KmsKeySource::call(KmsOperation operation,
                                                    const base::SecretBuffer &data) {
    if (unreachable_) return base::fail(base::Error(*unreachable_));
    VC_ASSIGN(std::string node, machineUuid(context_));
    const base::KmsRequest request{.operation = operation,
                                   .endpoint = key_.endpoint,
                                   .node = std::move(node),
                                   .caFile = key_.caFile,
                                   .clientCertFile = key_.clientCertFile,
                                   .clientKeyFile = key_.clientKeyFile,
                                   .timeoutMs = kCallTimeoutMs,
                                   .data = base::SecretBuffer::copyOf(data.bytes())};
    int pauseMs = kFirstPauseMs;
    for (int attempt = 1;; ++attempt, pauseMs *= 2) {
        auto answer = callOnce(request);
        if (answer || !answer.error().retry) return answer;
        const bool goOn = attempt < context_.kmsAttempts && context_.pause(withJitter(pauseMs));
        if (goOn) continue;
        unreachable_ = answer.error();
        return answer;
    }
}

base::Result<base::SecretBuffer> KmsKeySource::unseal(const std::string &json) {
    VC_ASSIGN(const KmsToken sealed, KmsToken::fromJson(json));
    auto secret = call(KmsOperation::Unseal, base::SecretBuffer::copyOf(sealed.sealedData));
    if (!secret && !sealed.endpoint.empty() && sealed.endpoint != key_.endpoint)
        return base::fail(std::move(secret).error().because(
            "its key was sealed by " + base::printable(sealed.endpoint.substr(0, kLongestShown))));
    if (!secret) return secret;
    if (secret->size() != kKeySize)
        return base::fail(ErrorCode::KmsRejected,
                          "the KMS " + key_.endpoint + " unsealed " +
                              std::to_string(secret->size()) + " bytes instead of the key's 32",
                          "Does the endpoint belong to the server that sealed the key?");
    return crypto::base64Text(*secret);
}

base::Error KmsKeySource::whyNotOpened(base::Error rejected,
                                       const base::SecretBuffer & /*passphrase*/,
                                       const Opens & /*opens*/) const {
    rejected.code = ErrorCode::KmsRejected;
    rejected.message = "the key that the KMS " + key_.endpoint +
                       " unsealed does not open it: the server does not know this machine, or "
                       "did not seal this key";
    rejected.hint =
        "Some servers answer machines that they do not know with random bytes. Ask the "
        "server's administrator about this machine's UUID.";
    return rejected;
}

base::Result<NewKey> KmsKeySource::make() {
    VC_ASSIGN(const base::SecretBuffer key, randomKey());
    VC_ASSIGN(const base::SecretBuffer sealed, call(KmsOperation::Seal, key));
    if (sealed.empty() || sealed.size() > kLongestSealed)
        return base::fail(ErrorCode::KmsRejected,
                          "the KMS " + key_.endpoint + " answered with a sealed key of " +
                              std::to_string(sealed.size()) + " bytes",
                          "Does the endpoint belong to a KMS?");
    const std::string_view sealedBytes(sealed.chars(), sealed.size());
    if (sealedBytes.find(std::string_view(key.chars(), key.size())) != std::string_view::npos)
        return base::fail(ErrorCode::KmsRejected,
                          "the KMS " + key_.endpoint + " answered with the key itself, not sealed",
                          "It would lie in the header for everybody to read.");
    auto back = call(KmsOperation::Unseal, sealed);
    if (!back)
        return base::fail(std::move(back).error().because("trying the key that was just sealed"));
    if (!(*back == key))
        return base::fail(
            ErrorCode::KmsRejected,
            "the KMS " + key_.endpoint +
                " gives back another key than it was given: it does not know this machine",
            "Some servers answer machines that they do not know with random bytes. Ask the "
            "server's administrator for a key for this machine's UUID.");
    const KmsToken token{
        .sealedData = std::string(sealedBytes), .endpoint = key_.endpoint, .slot = spec().slot};
    return NewKey{.passphrase = crypto::base64Text(key), .token = token.toJson()};
}

base::Result<NewKey> KmsKeySource::create() {
    if (made_) {
        NewKey key = std::move(*made_);
        made_.reset();
        return key;
    }
    return make();
}

base::Status KmsKeySource::canCreate() {
    if (made_) return {};
    VC_ASSIGN(made_, make());
    return {};
}

bool KmsKeySource::isAsDeclared(const model::TokenView &token) {
    const auto sealed = KmsToken::fromJson(token.json);
    return sealed && (sealed->endpoint.empty() || sealed->endpoint == key_.endpoint);
}

std::string KmsKeySource::lossReason(const base::Error &failure, const std::string & /*json*/) {
    // Whether it may be replaced depends on the server as well: see canCreate.
    if (failure.code == ErrorCode::KmsRejected) return "re-seal: the KMS does not unseal it";
    return {};
}

}  // namespace volumecrypt::keys
