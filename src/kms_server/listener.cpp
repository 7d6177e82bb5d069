// SPDX-License-Identifier: Apache-2.0
// Sockets by getaddrinfo, as gRPC would open them: IPv4 too where IPv6's wildcard is asked for.
#include "kms_server/listener.h"

#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "base/scope_exit.h"

namespace volumecrypt::kms_server {
namespace {

using base::ErrorCode;

constexpr int kBacklog = 4096;
constexpr std::size_t kNetworkBytes = 8;

const in6_addr &ipv6(const Address &address) {
    return reinterpret_cast<const sockaddr_in6 *>(&address.storage)->sin6_addr;
}
const in_addr &ipv4(const Address &address) {
    return reinterpret_cast<const sockaddr_in *>(&address.storage)->sin_addr;
}

// The four bytes of an IPv4 address, in either of its forms; null for another.
const unsigned char *ipv4Bytes(const Address &address) {
    if (address.storage.ss_family == AF_INET)
        return reinterpret_cast<const unsigned char *>(&ipv4(address));
    if (address.storage.ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&ipv6(address)))
        return &ipv6(address).s6_addr[12];
    return nullptr;
}

struct Place {
    std::string host;
    unsigned port = 0;
};

base::Result<Place> placeOf(std::string_view text) {
    const auto invalid = [text] {
        return base::fail(ErrorCode::InvalidConfig,
                          "cannot listen on " + std::string(text) + ": it is no address and port",
                          "Write HOST:PORT, or [ADDRESS]:PORT for an IPv6 address.");
    };
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos) return invalid();
    Place place{.host = std::string(text.substr(0, colon)), .port = 0};
    const std::string_view port = text.substr(colon + 1);
    const auto [rest, error] = std::from_chars(port.data(), port.data() + port.size(), place.port);
    if (port.empty() || error != std::errc() || rest != port.data() + port.size() ||
        place.port > 65535)
        return invalid();
    if (place.host.starts_with('[') && place.host.ends_with(']'))
        place.host = place.host.substr(1, place.host.size() - 2);
    else if (place.host.find(':') != std::string::npos)
        return invalid();
    if (place.host.empty()) return invalid();
    return place;
}

base::Result<base::UniqueFd> listenOn(const Address &address) {
    base::UniqueFd fd(::socket(address.storage.ss_family,
                               SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP));
    if (!fd.valid()) return base::fail(base::errnoError("make a socket", errno));
    const int on = 1;
    const int off = 0;
    // A restarted server takes its port over from connections that are still ending. Two servers on
    // one port cannot be: that would take SO_REUSEPORT.
    (void)::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    // What is accepted inherits it.
    (void)::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (address.storage.ss_family == AF_INET6)
        (void)::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (::bind(fd.get(), address.get(), address.size) < 0 || ::listen(fd.get(), kBacklog) < 0)
        return base::fail(base::errnoError("bind", errno));
    return fd;
}

using Found = base::CHandle<addrinfo, freeaddrinfo>;

base::Result<Found> resolve(const Place &place) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_PASSIVE;
    addrinfo *found = nullptr;
    const int code = ::getaddrinfo(place.host.c_str(), nullptr, &hints, &found);
    if (code == 0) return Found(found);
    return base::fail(ErrorCode::Io, "cannot find " + place.host + ": " + ::gai_strerror(code));
}

bool hasIpv6() {
    return base::UniqueFd(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0)).valid();
}

}  // namespace

unsigned Address::port() const {
    // At the same place in both.
    return ntohs(reinterpret_cast<const sockaddr_in *>(&storage)->sin_port);
}

void Address::setPort(unsigned port) {
    reinterpret_cast<sockaddr_in *>(&storage)->sin_port = htons(static_cast<std::uint16_t>(port));
}

std::string Address::host() const {
    char text[INET6_ADDRSTRLEN] = "";
    if (const unsigned char *bytes = ipv4Bytes(*this)) {
        (void)::inet_ntop(AF_INET, bytes, text, sizeof text);
        return text;
    }
    char full[NI_MAXHOST] = "";
    (void)::getnameinfo(get(), size, full, sizeof full, nullptr, 0, NI_NUMERICHOST);
    return full;
}

std::string Address::owner() const {
    if (const unsigned char *bytes = ipv4Bytes(*this))
        return {reinterpret_cast<const char *>(bytes), sizeof(in_addr)};
    return {reinterpret_cast<const char *>(&ipv6(*this)), kNetworkBytes};
}

bool Address::isWildcard() const {
    return storage.ss_family == AF_INET ? ipv4(*this).s_addr == htonl(INADDR_ANY)
                                        : IN6_IS_ADDR_UNSPECIFIED(&ipv6(*this)) != 0;
}

base::Result<Address> ownAddress(int socket) {
    Address address;
    if (::getsockname(socket, address.get(), &address.size) == 0) return address;
    return base::fail(base::errnoError("find the address of a socket", errno));
}

base::Result<Listener> listenAt(const std::string &text) {
    VC_ASSIGN(Place place, placeOf(text));
    const auto cannot = [&text](const base::Error &error) {
        return base::fail(ErrorCode::Io, "cannot listen on " + text + ": " + error.message,
                          "Is the address this machine's, and the port free?");
    };
    if (place.host == "::" && !hasIpv6()) place.host = "0.0.0.0";
    auto found = resolve(place);
    if (!found) return cannot(found.error());
    Listener listener;
    std::optional<base::Error> problem;
    for (const addrinfo *one = found->get(); one != nullptr; one = one->ai_next) {
        Address address;
        address.size = one->ai_addrlen;
        std::memcpy(&address.storage, one->ai_addr, one->ai_addrlen);
        address.setPort(place.port);
        auto socket = listenOn(address);
        if (!socket) {
            problem = std::move(socket).error();
            continue;
        }
        // A name with two addresses gets the same free port for both.
        VC_ASSIGN(const Address bound, ownAddress(socket->get()));
        place.port = bound.port();
        listener.sockets.push_back(std::move(*socket));
    }
    if (listener.sockets.empty()) return cannot(*problem);
    listener.name = text.substr(0, text.rfind(':')) + ":" + std::to_string(place.port);
    return listener;
}

}  // namespace volumecrypt::kms_server
