// SPDX-License-Identifier: Apache-2.0
// What a declared key says of itself.
#include "model/key_spec.h"

#include <algorithm>
#include <array>
#include <utility>

namespace volumecrypt::model {
namespace {

std::string joined(const std::vector<unsigned> &numbers) {
    std::string text;
    for (const unsigned number : numbers) {
        if (!text.empty()) text += ',';
        text += std::to_string(number);
    }
    return text;
}

template <typename... Keys>
std::optional<KeyParameters> emptyAmong(KeyKind kind, const std::variant<Keys...> * /*type*/) {
    std::optional<KeyParameters> parameters;
    const auto takeIfMeant = [&]<typename Key>(Key key) {
        if (Key::kKind == kind) parameters = std::move(key);
    };
    (takeIfMeant(Keys{}), ...);
    return parameters;
}

template <typename... Keys>
consteval bool isDeclarableExactly(const std::variant<Keys...> * /*type*/) {
    return std::ranges::all_of(kKeyKinds, [](const KeyKindRow &row) {
        return row.declarable == ((Keys::kKind == row.kind) || ...);
    });
}
static_assert(isDeclarableExactly(static_cast<KeyParameters *>(nullptr)),
              "KeyParameters has an alternative for each kind that is declarable, and no other");

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

std::optional<KeyParameters> emptyParameters(KeyKind kind) {
    return emptyAmong(kind, static_cast<KeyParameters *>(nullptr));
}

KeyKind KeySpec::kind() const {
    return std::visit([](const auto &key) { return key.kKind; }, parameters);
}

const KeySpec *keyInSlot(const std::vector<KeySpec> &declared, unsigned slot) {
    const auto found = std::ranges::find(declared, slot, &KeySpec::slot);
    return found == declared.end() ? nullptr : &*found;
}

std::string TpmKey::text() const {
    std::string text = "pcrs=" + joined(pcrs);
    if (signedPolicy)
        text += ";signed=" + signedPolicy->publicKey + ":" + joined(signedPolicy->pcrs);
    return text;
}

std::string KeySpec::parameterText() const {
    return std::visit([](const auto &key) { return key.text(); }, parameters);
}

}  // namespace volumecrypt::model
