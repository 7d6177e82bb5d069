// SPDX-License-Identifier: Apache-2.0
// Which HTTP proxy a call goes through.
#pragma once

#include <string>

namespace volumecrypt::kms {

// As Talos (Go) reads the environment: HTTPS_PROXY or https_proxy, unless NO_PROXY or no_proxy
// names the host; never for this machine itself. gRPC looks for other variables, which are set to
// the same. Returns whether the call goes through a proxy.
bool adoptProxy(const std::string &host);

}  // namespace volumecrypt::kms
