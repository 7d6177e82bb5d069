// SPDX-License-Identifier: Apache-2.0
// Talos' JSON is Go's encoding of a struct: field names are those of Go, absent pointers are null.
#include "meta/state_encryption.h"

#include <array>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/foreign_json.h"

namespace volumecrypt::meta {
namespace {

using base::ErrorCode;
using Json = nlohmann::ordered_json;

// ---- writing

template <typename Value>
Json orNull(const std::optional<Value> &value) {
    return value ? Json(*value) : Json(nullptr);
}

struct KeyWriter {
    Json &json;
    void operator()(const StaticKey &key) const {
        json["KeyStatic"] = {{"KeyData", std::string(key.data.chars(), key.data.size())}};
    }
    void operator()(const NodeIdKey & /*unused*/) const { json["KeyNodeID"] = Json::object(); }
    void operator()(const KmsKey &key) const { json["KeyKMS"] = {{"KMSEndpoint", key.endpoint}}; }
    void operator()(const TpmKey &key) const {
        Json tpm;
        tpm["TPMOptions"] = nullptr;
        if (key.options) tpm["TPMOptions"] = {{"PCRs", orNull(key.options->pcrs)}};
        tpm["TPMCheckSecurebootStatusOnEnroll"] = orNull(key.checkSecurebootStatusOnEnroll);
        json["KeyTPM"] = std::move(tpm);
    }
};

Json keyJson(const Key &key) {
    Json json{{"KeySlot", key.slot}, {"KeyStatic", nullptr}, {"KeyNodeID", nullptr},
              {"KeyKMS", nullptr},   {"KeyTPM", nullptr},    {"KeyLockToSTATE", nullptr}};
    std::visit(KeyWriter{json}, key.kind);
    json["KeyLockToSTATE"] = orNull(key.lockToState);
    return json;
}

Json encryptionJson(const StateEncryption &encryption) {
    Json keys = Json::array();
    for (const Key &key : encryption.keys) keys.push_back(keyJson(key));
    return {{"EncryptionProvider", "luks2"},
            {"EncryptionKeys", std::move(keys)},
            {"EncryptionCipher", encryption.cipher},
            {"EncryptionKeySize", encryption.keyBits},
            {"EncryptionBlockSize", encryption.sectorSize},
            {"EncryptionPerfOptions", orNull(encryption.options)},
            {"EncryptionAllowDiscards", orNull(encryption.allowDiscards)}};
}

// Go escapes these in strings, and they can be nowhere else in JSON.
void escapeAsGo(std::string &text) {
    constexpr std::array<std::pair<std::string_view, std::string_view>, 5> escapes{{
        {"<", "\\u003c"},
        {">", "\\u003e"},
        {"&", "\\u0026"},
        {"\xe2\x80\xa8", "\\u2028"},
        {"\xe2\x80\xa9", "\\u2029"},
    }};
    for (const auto &[plain, escaped] : escapes)
        for (std::size_t at = 0; (at = text.find(plain, at)) != std::string::npos;
             at += escaped.size())
            text.replace(at, plain.size(), escaped);
}

// ---- reading

const Json *member(const Json &object, const char *name) {
    const auto found = object.find(name);
    return found == object.end() || found->is_null() ? nullptr : &*found;
}

bool takeValue(const Json &json, bool &value) {
    if (json.is_boolean()) value = json.get<bool>();
    return json.is_boolean();
}

bool takeValue(const Json &json, std::string &value) {
    if (json.is_string()) value = json.get<std::string>();
    return json.is_string();
}

template <std::integral Integer>
bool takeValue(const Json &json, Integer &value) {
    const auto number = base::integerIn<Integer>(json);
    value = number.value_or(0);
    return number.has_value();
}

bool takeValue(const Json &json, std::vector<unsigned> &value) {
    auto numbers = base::integersIn<unsigned>(json);
    if (numbers) value = std::move(*numbers);
    return numbers.has_value();
}

bool takeValue(const Json &json, std::vector<std::string> &value) {
    if (!json.is_array()) return false;
    for (const Json &item : json) {
        if (!item.is_string()) return false;
        value.push_back(item.get<std::string>());
    }
    return true;
}

// Absent and null are the default, as in Go; another type makes the whole unusable.
template <typename Value>
bool take(const Json &object, const char *name, Value &value) {
    const Json *found = member(object, name);
    return found == nullptr || takeValue(*found, value);
}

template <typename Value>
bool take(const Json &object, const char *name, std::optional<Value> &value) {
    const Json *found = member(object, name);
    return found == nullptr || takeValue(*found, value.emplace());
}

bool takeStatic(const Json &json, Key &into) {
    std::string data;
    if (!take(json, "KeyData", data)) return false;
    into.kind = StaticKey{.data = base::SecretBuffer::copyOf(std::string_view(data))};
    return true;
}

bool takeKms(const Json &json, Key &into) {
    KmsKey key;
    const bool taken = take(json, "KMSEndpoint", key.endpoint);
    into.kind = std::move(key);
    return taken;
}

bool takeTpm(const Json &json, Key &into) {
    TpmKey key;
    if (const Json *options = member(json, "TPMOptions")) {
        key.options.emplace();
        if (!options->is_object() || !take(*options, "PCRs", key.options->pcrs)) return false;
    }
    const bool taken =
        take(json, "TPMCheckSecurebootStatusOnEnroll", key.checkSecurebootStatusOnEnroll);
    into.kind = std::move(key);
    return taken;
}

// The kinds in the order in which Talos prefers them when there are several.
bool takeKind(const Json &json, Key &into) {
    const auto object = [&](const char *name) {
        const Json *found = member(json, name);
        return found != nullptr && found->is_object() ? found : nullptr;
    };
    if (const Json *fixed = object("KeyStatic")) return takeStatic(*fixed, into);
    if (object("KeyNodeID") != nullptr) {
        into.kind = NodeIdKey{};
        return true;
    }
    if (const Json *kms = object("KeyKMS")) return takeKms(*kms, into);
    const Json *tpm = object("KeyTPM");
    return tpm != nullptr && takeTpm(*tpm, into);
}

base::Status readKeys(const Json &json, StateEncryption &encryption) {
    const Json *keys = member(json, "EncryptionKeys");
    if (keys == nullptr || !keys->is_array() || keys->empty())
        return unusable("encryption keys are required");
    for (const Json &item : *keys) {
        Key key;
        if (!item.is_object() || !take(item, "KeySlot", key.slot) ||
            !take(item, "KeyLockToSTATE", key.lockToState))
            return unusable("a key has a field of a wrong type");
        if (!takeKind(item, key))
            return unusable("unsupported encryption key type: slot " + std::to_string(key.slot));
        encryption.keys.push_back(std::move(key));
    }
    return {};
}

}  // namespace

base::Result<base::SecretBuffer> formatStateEncryption(const StateEncryption *encryption) {
    if (encryption == nullptr) return base::SecretBuffer::copyOf("null");
    try {
        std::string text = encryptionJson(*encryption).dump();
        escapeAsGo(text);
        return base::SecretBuffer::copyOf(std::string_view(text));
    } catch (const Json::exception &) {
        return base::fail(ErrorCode::InvalidConfig,
                          "a passphrase of STATE is no UTF-8 text: META cannot keep it",
                          "Choose another passphrase, or keep it in a passphraseFile.");
    }
}

base::Result<std::optional<StateEncryption>> parseStateEncryption(std::string_view json) {
    const Json parsed = base::parseForeignJsonInOrder(json);
    if (parsed.is_null()) return std::nullopt;
    if (!parsed.is_object()) return unusable("it is no JSON object");
    std::string provider;
    if (!take(parsed, "EncryptionProvider", provider)) return unusable("EncryptionProvider");
    if (provider == "none") return std::nullopt;
    // Empty in the older layout.
    if (!provider.empty() && provider != "luks2")
        return unusable("its EncryptionProvider does not belong to EncryptionProviderType values");
    StateEncryption encryption;
    VC_TRY(readKeys(parsed, encryption));
    if (!take(parsed, "EncryptionCipher", encryption.cipher) ||
        !take(parsed, "EncryptionKeySize", encryption.keyBits) ||
        !take(parsed, "EncryptionBlockSize", encryption.sectorSize) ||
        !take(parsed, "EncryptionPerfOptions", encryption.options) ||
        !take(parsed, "EncryptionAllowDiscards", encryption.allowDiscards))
        return unusable("a field of a wrong type");
    return encryption;
}

std::string redactedStateEncryption(std::string_view json) {
    auto parsed = parseStateEncryption(json);
    if (!parsed) return "(unreadable)";
    if (!*parsed) return "null";
    for (Key &key : (*parsed)->keys)
        if (auto *fixed = std::get_if<StaticKey>(&key.kind))
            fixed->data = base::SecretBuffer::copyOf("(hidden)");
    // As the JSON was read, its texts are UTF-8.
    const auto text = formatStateEncryption(&**parsed);
    return text ? std::string(text->chars(), text->size()) : "(unreadable)";
}

}  // namespace volumecrypt::meta
