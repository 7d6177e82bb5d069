// SPDX-License-Identifier: Apache-2.0
// Names of key kinds and the canonical text of a key's parameters.
#include "model/key_spec.h"

#include <algorithm>
#include <array>
#include <utility>

namespace volumecrypt::model {
namespace {

constexpr std::array<std::pair<KeyKind, std::string_view>, 8> kKindNames{{
    {KeyKind::Static, "static"},
    {KeyKind::NodeId, "nodeID"},
    {KeyKind::Kms, "kms"},
    {KeyKind::Tpm, "tpm"},
    {KeyKind::Recovery, "recovery"},
    {KeyKind::Passphrase, "passphrase"},
    {KeyKind::Unmanaged, "unmanaged"},
    {KeyKind::Unknown, "unknown"},
}};

std::string joined(const std::vector<unsigned> &numbers) {
    std::string text;
    for (const unsigned number : numbers) {
        if (!text.empty()) text += ',';
        text += std::to_string(number);
    }
    return text;
}

constexpr std::array<std::string_view, 4> kTctis{"device", "swtpm", "mssim", "tabrmd"};

}  // namespace

std::optional<std::string> tctiFault(std::string_view tcti) {
    if (tcti.empty()) return std::nullopt;
    const std::string_view name = tcti.substr(0, tcti.find(':'));
    if (name == "cmd")
        return "may not start a command: that is only for the engine's option --tcti";
    if (std::ranges::find(kTctis, name) == kTctis.end())
        return "must begin with device, swtpm, mssim or tabrmd";
    if (std::ranges::any_of(tcti, [](char c) { return c <= ' ' || c > '~'; }))
        return "must be of printable ASCII characters, without blanks";
    return std::nullopt;
}

std::string_view keyKindName(KeyKind kind) {
    for (const auto &[value, name] : kKindNames)
        if (value == kind) return name;
    return "unknown";
}

std::optional<KeyKind> keyKindFromName(std::string_view name) {
    for (const auto &[value, text] : kKindNames)
        if (text == name) return value;
    return std::nullopt;
}

KeyKind KeySpec::kind() const {
    // In the order of KeyParameters' alternatives.
    constexpr std::array kinds{KeyKind::Static, KeyKind::NodeId, KeyKind::Kms, KeyKind::Tpm,
                               KeyKind::Unmanaged};
    static_assert(kinds.size() == std::variant_size_v<KeyParameters>);
    return kinds.at(parameters.index());
}

std::string KeySpec::parameterText() const {
    if (const auto *kms = std::get_if<KmsKey>(&parameters)) return "endpoint=" + kms->endpoint;
    if (const auto *tpm = std::get_if<TpmKey>(&parameters)) {
        std::string text = "pcrs=" + joined(tpm->pcrs);
        if (tpm->signedPolicy)
            text +=
                ";signed=" + tpm->signedPolicy->publicKey + ":" + joined(tpm->signedPolicy->pcrs);
        return text;
    }
    return "";
}

}  // namespace volumecrypt::model
