// SPDX-License-Identifier: Apache-2.0
// Splits an endpoint; its syntax was checked with the configuration, in finer detail.
#include "kms/endpoint.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include <net/if.h>

#include "base/text.h"

namespace volumecrypt::kms {
namespace {

using base::ErrorCode;

auto invalid(std::string_view text, const char *what) {
    return base::fail(
        ErrorCode::InvalidConfig, "the KMS endpoint \"" + std::string(text) + "\" " + what,
        "Write it as grpcs://HOST:PORT, or grpcs://[ADDRESS]:PORT for an IPv6 address.");
}

std::string lowerCase(std::string_view text) {
    std::string lower(text);
    std::ranges::transform(lower, lower.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return lower;
}

// Found here: where the connection is made, the C library could not ask (see sandbox.h).
base::Result<unsigned> interfaceOf(std::string_view host, std::string_view zone) {
    constexpr std::string_view encoded = "%25";
    zone.remove_prefix(zone.starts_with(encoded) && zone.size() > encoded.size() ? 3 : 1);
    const std::string name(zone);
    unsigned index = ::if_nametoindex(name.c_str());
    if (index == 0) std::from_chars(zone.data(), zone.data() + zone.size(), index);
    if (index != 0) return index;
    return base::fail(base::Error(ErrorCode::KmsUnreachable,
                                  "the KMS " + std::string(host) +
                                      " cannot be reached: there is no network "
                                      "interface \"" +
                                      base::printableText(name, IFNAMSIZ) + "\"",
                                  "Is the interface's name right, and the network up?")
                          .withRetry());
}

}  // namespace

std::string Endpoint::authority() const {
    const std::string end = ":" + std::to_string(port);
    if (host.find(':') == std::string::npos) return host + end;
    return "[" + host + (interface == 0 ? "" : "%25" + std::to_string(interface)) + "]" + end;
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
        const std::string_view address = rest.substr(1, end - 1);
        const std::size_t percent = std::min(address.find('%'), address.size());
        endpoint.host = address.substr(0, percent);
        if (percent < address.size()) {
            VC_ASSIGN(endpoint.interface, interfaceOf(address, address.substr(percent)));
        }
        port = rest.substr(end + 1);
    } else {
        if (std::ranges::count(rest, ':') > 1)
            return invalid(text, "needs brackets around its IPv6 address");
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
