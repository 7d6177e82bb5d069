// SPDX-License-Identifier: Apache-2.0
// The syntax of a KMS endpoint.
#include <algorithm>
#include <charconv>
#include <string>

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>

#include "config/text.h"
#include "config/values.h"

namespace volumecrypt::config {
namespace {

constexpr std::size_t kLongestHost = 253;  // RFC 1035: 255 bytes on the wire

bool isHostCharacter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_';
}

bool isHostName(std::string_view host) {
    return !host.empty() && host.size() <= kLongestHost &&
           std::all_of(host.begin(), host.end(), isHostCharacter) && !host.starts_with('.') &&
           host.find("..") == std::string_view::npos;
}

bool isIpv6(std::string_view host) {
    in6_addr address{};
    return ::inet_pton(AF_INET6, std::string(host).c_str(), &address) == 1;
}

// What somebody who forgot the brackets wrote: with a port it may be no address at all.
bool looksLikeIpv6(std::string_view authority) {
    const std::string_view address = authority.substr(0, authority.find('%'));
    return std::count(address.begin(), address.end(), ':') > 1 &&
           address.find_first_not_of("0123456789abcdefABCDEF:.") == std::string_view::npos;
}

// The interface of a link-local address: "%eth0", or as URLs have it "%25eth0".
bool isZone(std::string_view zone) {
    return zone.size() > 1 && zone.size() < IFNAMSIZ + sizeof "%25" - 1 &&
           std::all_of(zone.begin() + 1, zone.end(), isHostCharacter);
}

bool isZonedIpv6(std::string_view address) {
    const std::size_t percent = std::min(address.find('%'), address.size());
    return isIpv6(address.substr(0, percent)) &&
           (percent == address.size() || isZone(address.substr(percent)));
}

bool isPort(std::string_view port) {
    unsigned value = 0;
    const char *end = port.data() + port.size();
    const auto [rest, error] = std::from_chars(port.data(), end, value);
    return !port.empty() && error == std::errc() && rest == end && value >= 1 && value <= 65535;
}

Fault portFault(std::string_view rest) {
    if (rest.empty()) return std::nullopt;
    if (rest.front() == ':' && isPort(rest.substr(1))) return std::nullopt;
    return "needs a port from 1 to 65535 after the host";
}

Fault authorityFault(std::string_view authority) {
    if (authority.find('@') != std::string_view::npos) return "must not hold a user or password";
    if (authority.starts_with('[')) {
        const std::size_t end = authority.find(']');
        if (end == std::string_view::npos || !isZonedIpv6(authority.substr(1, end - 1)))
            return "has no valid IPv6 address in its brackets";
        return portFault(authority.substr(end + 1));
    }
    const std::size_t colon = authority.find(':');
    const std::string_view host = authority.substr(0, colon);
    if (host.empty()) return "names no host";
    if (looksLikeIpv6(authority)) return "needs brackets around its IPv6 address";
    if (!isHostName(host)) return "has no valid host name";
    return portFault(authority.substr(host.size()));
}

}  // namespace

Fault readEndpoint(std::string_view text, Endpoint &endpoint) {
    if (text.empty()) return "must not be empty";
    if (hasControlCharacter(text) || hasBlank(text))
        return "must not hold white space or control characters";
    std::string scheme = "grpc";
    const std::size_t separator = text.find("://");
    endpoint.schemeGiven = separator != std::string_view::npos;
    if (endpoint.schemeGiven) {
        scheme = lowerCase(text.substr(0, separator));
        text.remove_prefix(separator + 3);
    }
    endpoint.tls = scheme != "grpc";
    if (scheme != "grpc" && scheme != "grpcs" && scheme != "https" && scheme != "http")
        return "has an unknown scheme: use grpcs or grpc";
    return authorityFault(text.substr(0, text.find_first_of("/?#")));
}

}  // namespace volumecrypt::config
