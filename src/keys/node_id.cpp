// SPDX-License-Identifier: Apache-2.0
// The machine's UUID as a key.
#include "keys/node_id.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "base/files.h"

namespace volumecrypt::keys {
namespace {

using base::ErrorCode;

constexpr const char *kHint =
    "Declare another key kind for this volume; nodeID needs a UUID set by the firmware.";

std::string trimmedLower(std::string text) {
    while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())) != 0)
        text.pop_back();
    std::transform(text.begin(), text.end(), text.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return text;
}

}  // namespace

base::Status checkUuidEntropy(const std::string &uuid) {
    std::array<std::size_t, 256> counts{};
    for (const char c : uuid)
        if (++counts.at(static_cast<unsigned char>(c)) > uuid.size() / 2)
            return base::fail(ErrorCode::InvalidConfig,
                              "machine UUID " + uuid + " entropy check failed", kHint);
    return {};
}

base::Result<std::string> machineUuid(const KeyContext &context) {
    if (context.uuidOverride) {
        VC_ASSIGN(const std::optional<std::string> given, context.uuidOverride());
        if (given && !given->empty()) return *given;
    }
    auto content = base::readFile(context.paths.productUuid(), 4096);
    if (!content)
        return base::fail(std::move(content).error().because("failed to get UUID").withHint(kHint));
    const std::string uuid = trimmedLower(std::move(*content));
    // The trailing space is Talos'.
    if (uuid.empty())
        return base::fail(ErrorCode::InvalidConfig, "machine UUID is not populated ", kHint);
    return uuid;
}

base::Result<base::SecretBuffer> NodeIdKeySource::obtain(
    const std::optional<model::TokenView> & /*token*/) {
    VC_ASSIGN(const std::string uuid, machineUuid(context_));
    VC_TRY(checkUuidEntropy(uuid));
    return base::SecretBuffer::copyOf(uuid + context_.volume.text());
}

base::Result<NewKey> NodeIdKeySource::create() {
    VC_ASSIGN(base::SecretBuffer passphrase, obtain(std::nullopt));
    return NewKey{.passphrase = std::move(passphrase), .token = {}};
}

}  // namespace volumecrypt::keys
