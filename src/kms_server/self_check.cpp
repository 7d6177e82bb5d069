// SPDX-License-Identifier: Apache-2.0
// Connects to the server itself and waits for the beginning of an answer.
#include <cerrno>
#include <optional>

#include <sys/time.h>

#include <netinet/in.h>
#include <openssl/ssl.h>

#include "base/scope_exit.h"
#include "kms_server/acceptor.h"

namespace volumecrypt::kms_server {
namespace {

constexpr timeval kTimeout{.tv_sec = 3, .tv_usec = 0};

// Where somebody on this machine reaches a socket that is bound to `address`.
Address reachable(Address address) {
    if (!address.isWildcard()) return address;
    if (address.storage.ss_family == AF_INET)
        reinterpret_cast<sockaddr_in *>(&address.storage)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    else
        reinterpret_cast<sockaddr_in6 *>(&address.storage)->sin6_addr = in6addr_loopback;
    return address;
}

// HTTP/2's server speaks first.
bool hearsHttp2(int fd) {
    char byte = 0;
    return ::recv(fd, &byte, 1, 0) == 1;
}

// Whatever it thinks of a client without certificate: it has read the greeting, and answered.
bool hearsTls(int fd) {
    const base::CHandle<SSL_CTX, SSL_CTX_free> context(SSL_CTX_new(TLS_client_method()));
    if (!context) return false;
    const base::CHandle<SSL, SSL_free> tls(SSL_new(context.get()));
    constexpr unsigned char kHttp2[] = {2, 'h', '2'};
    if (!tls || SSL_set_alpn_protos(tls.get(), kHttp2, sizeof kHttp2) != 0 ||
        SSL_set_fd(tls.get(), fd) != 1)
        return false;
    (void)SSL_connect(tls.get());
    return BIO_number_read(SSL_get_rbio(tls.get())) > 0;
}

bool cannotBeTold(int error) {
    return error == EADDRNOTAVAIL || error == ENETUNREACH || error == EHOSTUNREACH ||
           error == ENETDOWN || error == EACCES || error == EPERM;
}

base::Status checkOne(Acceptor &acceptor, int listener, bool tls) {
    const auto failed = [&acceptor](int error) -> base::Status {
        if (cannotBeTold(error)) return {};
        return base::fail(base::errnoError("connecting to " + acceptor.listener().name, error));
    };
    VC_ASSIGN(const Address bound, ownAddress(listener));
    const Address target = reachable(bound);
    const base::UniqueFd fd(::socket(target.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd.valid()) return failed(errno);
    // Connecting, too, takes no longer than that.
    (void)::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &kTimeout, sizeof kTimeout);
    (void)::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &kTimeout, sizeof kTimeout);
    // Before anything is sent from there, so that nobody else can be taken for it.
    Address source = target;
    source.setPort(0);
    if (::bind(fd.get(), source.get(), source.size) < 0) return failed(errno);
    VC_ASSIGN(const Address mine, ownAddress(fd.get()));
    acceptor.expect(mine);
    const base::ScopeExit noLonger([&acceptor] { acceptor.expect(std::nullopt); });
    if (::connect(fd.get(), target.get(), target.size) < 0) return failed(errno);
    if (tls ? hearsTls(fd.get()) : hearsHttp2(fd.get())) return {};
    return base::fail(base::ErrorCode::Io,
                      "a connection to " + acceptor.listener().name + " was not answered");
}

}  // namespace

base::Status checkSelf(Acceptor &acceptor, bool tls) {
    for (const base::UniqueFd &socket : acceptor.listener().sockets)
        VC_TRY(checkOne(acceptor, socket.get(), tls));
    return {};
}

}  // namespace volumecrypt::kms_server
