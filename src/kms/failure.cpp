// SPDX-License-Identifier: Apache-2.0
// Which of our errors a failed call is, and what to do about it.
#include "kms/failure.h"

#include <string_view>

#include "base/text.h"

namespace volumecrypt::kms {
namespace {

using base::Error;
using base::ErrorCode;

constexpr std::size_t kLongestText = 300;

// The numbers are part of the protocol (grpc/status.h), and the tests of this need no gRPC.
enum Status {
    kUnknown = 2,
    kInvalidArgument = 3,
    kDeadlineExceeded = 4,
    kNotFound = 5,
    kAlreadyExists = 6,
    kPermissionDenied = 7,
    kResourceExhausted = 8,
    kFailedPrecondition = 9,
    kOutOfRange = 11,
    kUnimplemented = 12,
    kUnavailable = 14,
    kUnauthenticated = 16,
};

bool says(const CallFailure &failure, std::string_view words) {
    return failure.message.find(words) != std::string::npos;
}

Error error(ErrorCode code, const CallFailure &failure, const std::string &what,
            const std::string &hint) {
    return {code, "the KMS " + failure.endpoint + " " + what, hint};
}

Error unreachable(const CallFailure &failure, const std::string &what, const std::string &hint) {
    return error(ErrorCode::KmsUnreachable, failure, what, hint).withRetry();
}

Error rejected(const CallFailure &failure, const std::string &what) {
    return error(ErrorCode::KmsRejected, failure,
                 what + ": " + base::printableText(failure.message, kLongestText),
                 "The server decides this: ask its administrator about node " + failure.node + ".");
}

// gRPC's own words begin with addresses and layers; what happened comes last.
std::string lastPart(const std::string &message) {
    const std::size_t colon = message.rfind(": ");
    return base::printableText(colon == std::string::npos || colon + 2 >= message.size()
                                   ? message
                                   : message.substr(colon + 2),
                               kLongestText);
}

Error untrusted(const CallFailure &failure) {
    const TlsFinding &finding = *failure.finding;
    const auto refuse = [&](const std::string &what, const std::string &hint) {
        return error(ErrorCode::KmsUnreachable, failure, what + " (" + finding.detail + ")", hint);
    };
    switch (finding.fault) {
        case TlsFault::UnknownAuthority:
            return refuse(failure.ownAuthority
                              ? "has a certificate that no authority in caFile has signed"
                              : "has a certificate that no authority known to this system has "
                                "signed",
                          failure.ownAuthority ? "Is caFile the authority of this server?"
                                               : "Declare the server's authority as `caFile`.");
        case TlsFault::WrongName:
            return refuse("has a certificate that is not for the name " + failure.host,
                          "Use a name that is in the certificate, or have one made for this name.");
        case TlsFault::Expired:
            return refuse("has an expired certificate",
                          "Renew it on the server; and is the clock of this machine right?")
                .withRetry();
        case TlsFault::NotYetValid:
            return refuse("has a certificate that is not valid yet",
                          "Is the clock of this machine right?")
                .withRetry();
        default:
            return refuse("has a certificate that cannot be accepted",
                          "Look at it: `openssl s_client -connect HOST:PORT`.");
    }
}

Error clientRefused(const CallFailure &failure) {
    if (failure.clientCertificate)
        return error(ErrorCode::KmsRejected, failure,
                     "closes the connection: it does not accept the client certificate",
                     "Is it of an authority that the server trusts, and still valid?");
    return error(ErrorCode::KmsRejected, failure,
                 "closes the connection: it asks for a client certificate",
                 "Declare `clientCertFile` and `clientKeyFile`.");
}

Error unavailable(const CallFailure &failure) {
    if (failure.finding && failure.finding->fault != TlsFault::None) return untrusted(failure);
    const bool connecting = says(failure, "failed to connect");
    if (failure.finding && connecting &&
        (says(failure, "Socket closed") || says(failure, "Connection reset")))
        return clientRefused(failure);
    if (says(failure, "empty address list"))
        return error(ErrorCode::InvalidConfig, failure,
                     "cannot be called with the declared certificates",
                     "clientKeyFile must be the key of clientCertFile, and caFile hold "
                     "certificates.");
    if (says(failure, "DNS resolution failed"))
        return unreachable(failure, "cannot be found: " + lastPart(failure.message),
                           "Is the network up, and the host's name right?");
    if (says(failure, "wrong version number"))
        return unreachable(failure, "does not speak TLS",
                           "Correct the port; or is it a plaintext server (grpc://)?");
    if (says(failure, "http1.x"))
        return unreachable(failure, "is a web server and no KMS", "Correct the endpoint.");
    if (connecting && says(failure, "Socket closed"))
        return unreachable(failure, "closes the connection",
                           "Is it a TLS server? Then declare it as grpcs://.");
    if (connecting)
        return unreachable(failure, "cannot be reached: " + lastPart(failure.message),
                           "Is the server running, and the network up?");
    return unreachable(failure, "broke off: " + lastPart(failure.message),
                       "Is the server running, and the network up?");
}

}  // namespace

Error kmsError(const CallFailure &failure) {
    switch (failure.status) {
        case kUnavailable:
            return unavailable(failure);
        case kDeadlineExceeded:
            return unreachable(
                failure,
                "did not answer within " + std::to_string((failure.timeoutMs + 999) / 1000) + " s",
                "Is the server running, and the network up?");
        case kResourceExhausted:
            if (says(failure, "larger than max"))
                return rejected(failure, "sent an answer that is too long for a key");
            return unreachable(failure, "is overloaded: " + lastPart(failure.message),
                               "It may answer later.");
        case kUnimplemented:
            return rejected(failure, "does not know sidero.kms.KMSService");
        case kUnknown:
            // What gRPC calls a connection that ends in the middle of an answer.
            if (says(failure, "Stream removed"))
                return unreachable(failure, "broke off", "Is the server running?");
            [[fallthrough]];
        case kInvalidArgument:
        case kNotFound:
        case kAlreadyExists:
        case kPermissionDenied:
        case kFailedPrecondition:
        case kOutOfRange:
        case kUnauthenticated:
            return rejected(failure, "refuses node " + failure.node);
        default:
            return unreachable(
                failure, "failed to answer: " + base::printableText(failure.message, kLongestText),
                "What happened is in the server's log.");
    }
}

}  // namespace volumecrypt::kms
