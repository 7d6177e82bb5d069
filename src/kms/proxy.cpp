// SPDX-License-Identifier: Apache-2.0
// Translates the usual proxy variables into those of gRPC.
#include <stdlib.h>

#include "kms/endpoint.h"

namespace volumecrypt::kms {
namespace {

std::string variable(const char *name, const char *otherName) {
    for (const char *candidate : {name, otherName})
        if (const char *value = ::getenv(candidate); value != nullptr && *value != '\0')
            return value;
    return {};
}

bool isThisMachine(const std::string &host) {
    return host == "localhost" || host == "::1" || host.starts_with("127.");
}

}  // namespace

bool adoptProxy(const std::string &host) {
    std::string proxy = variable("HTTPS_PROXY", "https_proxy");
    const std::string exceptions = variable("NO_PROXY", "no_proxy");
    for (const char *name :
         {"grpc_proxy", "https_proxy", "http_proxy", "no_grpc_proxy", "no_proxy"})
        ::unsetenv(name);
    if (proxy.empty() || exceptions == "*" || isThisMachine(host)) return false;
    if (proxy.find("://") == std::string::npos) proxy = "http://" + proxy;
    ::setenv("grpc_proxy", proxy.c_str(), 1);
    if (!exceptions.empty()) ::setenv("no_grpc_proxy", exceptions.c_str(), 1);
    return true;
}

}  // namespace volumecrypt::kms
