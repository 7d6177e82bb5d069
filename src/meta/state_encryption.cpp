// SPDX-License-Identifier: Apache-2.0
// Between EncryptionSpec and Talos' JSON, which is Go's encoding of a struct: field names are those
// of Go, absent pointers are null.
#include "meta/state_encryption.h"

#include <algorithm>
#include <array>
#include <utility>

#include <nlohmann/json.hpp>

namespace volumecrypt::meta {
namespace {

using base::ErrorCode;
using Json = nlohmann::ordered_json;

struct Cipher {
    std::string_view name;
    unsigned keyBits;  // the default
};
constexpr std::array<Cipher, 3> kCiphers{{
    {"aes-xts-plain64", 512},
    {"xchacha12,aes-adiantum-plain64", 256},
    {"xchacha20,aes-adiantum-plain64", 256},
}};

const Cipher *findCipher(std::string_view name) {
    const auto found = std::find_if(kCiphers.begin(), kCiphers.end(),
                                    [&](const Cipher &cipher) { return cipher.name == name; });
    return found == kCiphers.end() ? nullptr : &*found;
}

// ---- writing

Json staticJson(const model::StaticKey &key) {
    Json json{{"KeyData", std::string(key.passphrase.chars(), key.passphrase.size())}};
    if (!key.passphraseFile.empty()) json["PassphraseFile"] = key.passphraseFile;
    return json;
}

Json kmsJson(const model::KmsKey &key) {
    Json json{{"KMSEndpoint", key.endpoint}};
    if (!key.caFile.empty()) json["CAFile"] = key.caFile;
    if (!key.clientCertFile.empty()) json["ClientCertFile"] = key.clientCertFile;
    if (!key.clientKeyFile.empty()) json["ClientKeyFile"] = key.clientKeyFile;
    return json;
}

Json tpmJson(const model::TpmKey &key) {
    Json json;
    json["TPMOptions"] = {{"PCRs", key.pcrs}};
    json["TPMCheckSecurebootStatusOnEnroll"] =
        key.checkSecurebootStatusOnEnroll ? Json(true) : Json(nullptr);
    if (key.signedPolicy)
        json["SignedPolicy"] = {{"PublicKey", key.signedPolicy->publicKey},
                                {"PCRs", key.signedPolicy->pcrs}};
    if (!key.tcti.empty()) json["TCTI"] = key.tcti;
    return json;
}

Json keyJson(const model::KeySpec &key) {
    Json json{{"KeySlot", key.slot}, {"KeyStatic", nullptr}, {"KeyNodeID", nullptr},
              {"KeyKMS", nullptr},   {"KeyTPM", nullptr},    {"KeyLockToSTATE", nullptr}};
    if (const auto *fixed = std::get_if<model::StaticKey>(&key.parameters))
        json["KeyStatic"] = staticJson(*fixed);
    if (std::holds_alternative<model::NodeIdKey>(key.parameters))
        json["KeyNodeID"] = Json::object();
    if (const auto *kms = std::get_if<model::KmsKey>(&key.parameters))
        json["KeyKMS"] = kmsJson(*kms);
    if (const auto *tpm = std::get_if<model::TpmKey>(&key.parameters))
        json["KeyTPM"] = tpmJson(*tpm);
    if (key.lockToState) json["KeyLockToSTATE"] = true;
    return json;
}

Json encryptionJson(const model::EncryptionSpec &spec) {
    Json keys = Json::array();
    // A key without a kind would make the whole list unusable for Talos.
    Json unmanaged = Json::array();
    for (const model::KeySpec &key : spec.keys) {
        if (key.kind() == model::KeyKind::Unmanaged)
            unmanaged.push_back(key.slot);
        else
            keys.push_back(keyJson(key));
    }
    Json options = nullptr;
    for (const model::PerformanceOption option : spec.options)
        options.push_back(model::performanceOptionName(option));
    const Cipher *cipher = findCipher(spec.cipher);
    const bool usual = cipher != nullptr && cipher->keyBits == spec.keyBits;
    Json json{
        {"EncryptionProvider", "luks2"},          {"EncryptionKeys", std::move(keys)},
        {"EncryptionCipher", spec.cipher},        {"EncryptionKeySize", usual ? 0U : spec.keyBits},
        {"EncryptionBlockSize", spec.sectorSize}, {"EncryptionPerfOptions", std::move(options)}};
    if (spec.allowDiscards) json["EncryptionAllowDiscards"] = true;
    if (!unmanaged.empty()) json["UnmanagedKeySlots"] = std::move(unmanaged);
    if (spec.unmanagedSlots == model::UnmanagedSlots::Remove) json["UnmanagedSlots"] = "remove";
    if (spec.tpmReseal == model::TpmReseal::Auto) json["TPMReseal"] = "auto";
    if (spec.tpmReseal == model::TpmReseal::Manual) json["TPMReseal"] = "manual";
    return json;
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

tl::unexpected<base::Error> unusable(const std::string &what) {
    return base::fail(ErrorCode::HeaderCorrupt,
                      "error unmarshalling state encryption meta key: " + what,
                      "Declare the encryption of STATE in the configuration: it is then saved to "
                      "META anew.");
}

const Json *member(const Json &object, const char *name) {
    const auto found = object.find(name);
    return found == object.end() || found->is_null() ? nullptr : &*found;
}

// Absent and null are the default, as in Go; another type makes the value unusable.
template <typename Value>
bool take(const Json &object, const char *name, Value &value) {
    const Json *found = member(object, name);
    if (found == nullptr) return true;
    const bool right = std::is_same_v<Value, bool>          ? found->is_boolean()
                       : std::is_same_v<Value, std::string> ? found->is_string()
                       : std::is_integral_v<Value>          ? found->is_number_unsigned()
                                                            : found->is_array();
    if (!right) return false;
    if constexpr (!std::is_arithmetic_v<Value> && !std::is_same_v<Value, std::string>) {
        for (const Json &item : *found)
            if (!(std::is_same_v<typename Value::value_type, std::string>
                      ? item.is_string()
                      : item.is_number_unsigned()))
                return false;
    }
    value = found->get<Value>();
    return true;
}

bool takePcrs(const Json &object, std::vector<unsigned> &pcrs) {
    pcrs.clear();
    if (!take(object, "PCRs", pcrs)) return false;
    std::sort(pcrs.begin(), pcrs.end());
    pcrs.erase(std::unique(pcrs.begin(), pcrs.end()), pcrs.end());
    return pcrs.empty() || pcrs.back() <= 23;
}

bool takeStatic(const Json &json, model::KeyParameters &into) {
    std::string data;
    model::StaticKey key;
    if (!take(json, "KeyData", data) || !take(json, "PassphraseFile", key.passphraseFile))
        return false;
    key.passphrase = base::SecretBuffer::copyOf(std::string_view(data));
    into = std::move(key);
    return true;
}

bool takeKms(const Json &json, model::KeyParameters &into) {
    model::KmsKey key;
    if (!take(json, "KMSEndpoint", key.endpoint) || !take(json, "CAFile", key.caFile) ||
        !take(json, "ClientCertFile", key.clientCertFile) ||
        !take(json, "ClientKeyFile", key.clientKeyFile))
        return false;
    into = std::move(key);
    return true;
}

bool takeTpm(const Json &json, model::KeyParameters &into) {
    model::TpmKey key;
    // Without options PCR 7; with them exactly what they say.
    key.pcrs = {7};
    if (const Json *options = member(json, "TPMOptions"))
        if (!options->is_object() || !takePcrs(*options, key.pcrs)) return false;
    if (!take(json, "TPMCheckSecurebootStatusOnEnroll", key.checkSecurebootStatusOnEnroll) ||
        !take(json, "TCTI", key.tcti))
        return false;
    if (const Json *policy = member(json, "SignedPolicy")) {
        model::SignedPolicy signedPolicy;
        if (!policy->is_object() || !take(*policy, "PublicKey", signedPolicy.publicKey) ||
            !takePcrs(*policy, signedPolicy.pcrs))
            return false;
        key.signedPolicy = std::move(signedPolicy);
    }
    into = std::move(key);
    return true;
}

// The kinds in the order in which Talos prefers them when there are several.
bool takeParameters(const Json &json, model::KeyParameters &into) {
    const auto object = [&](const char *name) {
        const Json *found = member(json, name);
        return found != nullptr && found->is_object() ? found : nullptr;
    };
    if (const Json *fixed = object("KeyStatic")) return takeStatic(*fixed, into);
    if (object("KeyNodeID") != nullptr) {
        into = model::NodeIdKey{};
        return true;
    }
    if (const Json *kms = object("KeyKMS")) return takeKms(*kms, into);
    const Json *tpm = object("KeyTPM");
    return tpm != nullptr && takeTpm(*tpm, into);
}

base::Status readKeys(const Json &json, model::EncryptionSpec &spec) {
    const Json *keys = member(json, "EncryptionKeys");
    if (keys == nullptr || !keys->is_array() || keys->empty())
        return unusable("encryption keys are required");
    for (const Json &item : *keys) {
        model::KeySpec key;
        if (!item.is_object() || !take(item, "KeySlot", key.slot) ||
            !take(item, "KeyLockToSTATE", key.lockToState))
            return unusable("a key has a field of a wrong type");
        if (key.slot >= model::kSlotCount)
            return unusable("slot " + std::to_string(key.slot) + " is out of range");
        if (!takeParameters(item, key.parameters))
            return unusable("unsupported encryption key type: slot " + std::to_string(key.slot));
        spec.keys.push_back(std::move(key));
    }
    std::vector<unsigned> unmanaged;
    if (!take(json, "UnmanagedKeySlots", unmanaged)) return unusable("UnmanagedKeySlots");
    for (const unsigned slot : unmanaged)
        if (slot < model::kSlotCount)
            spec.keys.push_back({slot, model::UnmanagedKey{}, false, model::SourcePosition{}});
    std::stable_sort(
        spec.keys.begin(), spec.keys.end(),
        [](const model::KeySpec &a, const model::KeySpec &b) { return a.slot < b.slot; });
    return {};
}

base::Status readCipher(const Json &json, model::EncryptionSpec &spec) {
    std::string cipher;
    unsigned bits = 0;
    if (!take(json, "EncryptionCipher", cipher) || !take(json, "EncryptionKeySize", bits) ||
        !take(json, "EncryptionBlockSize", spec.sectorSize))
        return unusable("a field of a wrong type");
    if (cipher.empty()) cipher = kCiphers.front().name;
    const Cipher *known = findCipher(cipher);
    if (known == nullptr) return unusable("unknown cipher kind " + cipher);
    if (bits != 0 && bits != 256 && bits != known->keyBits)
        return unusable("a key of " + std::to_string(bits) + " bits");
    const unsigned size = spec.sectorSize;
    if (size != 0 && size != 512 && size != 1024 && size != 2048 && size != 4096)
        return unusable("a block size of " + std::to_string(size));
    spec.cipher = cipher;
    spec.keyBits = bits == 0 ? known->keyBits : bits;
    return {};
}

base::Status readOptions(const Json &json, model::EncryptionSpec &spec) {
    std::vector<std::string> options;
    std::string unmanaged;
    std::string reseal;
    if (!take(json, "EncryptionPerfOptions", options) ||
        !take(json, "EncryptionAllowDiscards", spec.allowDiscards) ||
        !take(json, "UnmanagedSlots", unmanaged) || !take(json, "TPMReseal", reseal))
        return unusable("a field of a wrong type");
    for (const std::string &name : options) {
        const auto option = model::performanceOptionFromName(name);
        if (!option) return unusable("invalid perf option " + name);
        spec.options.push_back(*option);
    }
    if (reseal == "auto") spec.tpmReseal = model::TpmReseal::Auto;
    if (reseal == "manual") spec.tpmReseal = model::TpmReseal::Manual;
    if (unmanaged == "remove") spec.unmanagedSlots = model::UnmanagedSlots::Remove;
    return {};
}

}  // namespace

base::Result<base::SecretBuffer> formatStateEncryption(const model::EncryptionSpec *encryption) {
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

base::Result<std::optional<model::EncryptionSpec>> parseStateEncryption(std::string_view json) {
    const Json parsed = Json::parse(json, nullptr, false);
    if (parsed.is_null()) return std::nullopt;
    if (!parsed.is_object()) return unusable("it is no JSON object");
    std::string provider;
    if (!take(parsed, "EncryptionProvider", provider)) return unusable("EncryptionProvider");
    if (provider == "none") return std::nullopt;
    // Empty in the older layout.
    if (!provider.empty() && provider != "luks2")
        return unusable(provider + " does not belong to EncryptionProviderType values");
    model::EncryptionSpec spec;
    VC_TRY(readKeys(parsed, spec));
    VC_TRY(readCipher(parsed, spec));
    VC_TRY(readOptions(parsed, spec));
    return spec;
}

std::string redactedStateEncryption(std::string_view json) {
    Json parsed = Json::parse(json, nullptr, false);
    if (parsed.is_discarded()) return "(unreadable)";
    if (parsed.is_object() && parsed.contains("EncryptionKeys") &&
        parsed["EncryptionKeys"].is_array())
        for (Json &key : parsed["EncryptionKeys"])
            if (key.is_object() && key.contains("KeyStatic") && key["KeyStatic"].is_object())
                key["KeyStatic"]["KeyData"] = "(hidden)";
    return parsed.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace volumecrypt::meta
