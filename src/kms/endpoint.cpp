// SPDX-License-Identifier: Apache-2.0
// Splits an endpoint; its syntax was checked with the configuration, in finer detail.
#include "kms/endpoint.h"

#include <algorithm>
#include <charconv>

namespace volumecrypt::kms {
namespace {

using base::ErrorCode;

auto invalid(std::string_view text, const char *what) {
    return base::fail(ErrorCode::InvalidConfig,
                      "the KMS endpoint \"" + std::string(text) + "\" " + what,
                      "Write it as grpcs://HOST:PORT.");
}

std::string lowerCase(std::string_view text) {
    std::string lower(text);
    std::ranges::transform(lower, lower.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return lower;
}

}  // namespace

std::string Endpoint::authority() const {
    const bool ipv6 = host.find(':') != std::string::npos;
    return (ipv6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

base::Result<Endpoint> parseEndpoint(std::string_view text) {
    Endpoint endpoint;
    std::string_view rest = text;
    const std::size_t separator = text.find("://");
    endpoint.tls =
        separator != std::string_view::npos && lowerCase(text.substr(0, separator)) != "grpc";
    if (separator != std::string_view::npos) rest.remove_prefix(separator + 3);
    rest = rest.substr(0, rest.find_first_of("/?#"));

    std::string_view port;
    if (rest.starts_with('[')) {
        const std::size_t end = rest.find(']');
        if (end == std::string_view::npos) return invalid(text, "lacks a closing bracket");
        endpoint.host = rest.substr(1, end - 1);
        port = rest.substr(end + 1);
    } else {
        const std::size_t colon = std::min(rest.find(':'), rest.size());
        endpoint.host = rest.substr(0, colon);
        port = rest.substr(colon);
    }
    if (endpoint.host.empty()) return invalid(text, "names no host");
    if (port.empty()) return endpoint;
    const char *end = port.data() + port.size();
    const auto [stop, error] = std::from_chars(port.data() + 1, end, endpoint.port);
    if (port.front() != ':' || error != std::errc() || stop != end || endpoint.port < 1 ||
        endpoint.port > 65535)
        return invalid(text, "needs a port from 1 to 65535 after the host");
    return endpoint;
}

}  // namespace volumecrypt::kms
