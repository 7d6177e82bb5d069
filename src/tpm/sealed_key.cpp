// SPDX-License-Identifier: Apache-2.0
// The JSON of tokens of type systemd-tpm2 and volumecrypt-tpm2.
#include "tpm/sealed_key.h"

#include <utility>

#include <nlohmann/json.hpp>

#include "base/foreign_json.h"
#include "base/text.h"
#include "crypto/base64.h"
#include "crypto/digest.h"

namespace volumecrypt::tpm {
namespace {

using base::ErrorCode;
// In the order of insertion: the text reads like systemd's.
using OrderedJson = nlohmann::ordered_json;

constexpr const char *kEnrolledMember = "volumecrypt_pcr_values";
constexpr unsigned kPcrCount = 24;

// Thrown and caught inside this file only, as nlohmann's own exceptions are.
struct Bad {
    std::string what;
    ErrorCode code = ErrorCode::HeaderCorrupt;
};

std::string base64Member(const OrderedJson &json, const char *name) {
    auto bytes = crypto::fromBase64(json.at(name).get<std::string>());
    if (!bytes) throw Bad{std::string(name) + " is not base64"};
    return std::move(*bytes);
}

std::string digestOf(const OrderedJson &value, const char *name) {
    auto bytes = base::fromHex(value.get<std::string>());
    if (!bytes || bytes->size() != crypto::kSha256Size)
        throw Bad{std::string(name) + " is not a SHA-256 digest in hexadecimal"};
    return std::move(*bytes);
}

std::vector<unsigned> pcrsMember(const OrderedJson &json, const char *name) {
    auto pcrs = base::integersIn<unsigned>(json.at(name));
    if (!pcrs) throw Bad{std::string(name) + " is no list of numbers"};
    for (const unsigned pcr : *pcrs)
        if (pcr >= kPcrCount) throw Bad{std::string(name) + " names a PCR that there is not"};
    return std::move(*pcrs);
}

// What a newer or differently configured systemd may have asked for.
void refuseUnknownNeeds(const OrderedJson &json) {
    if (json.value("tpm2-pin", false))
        throw Bad{"it needs a PIN, which this version cannot ask for", ErrorCode::Unsupported};
    if (json.at("tpm2-blob").is_array() || json.at("tpm2-policy-hash").is_array())
        throw Bad{"the secret is in several parts", ErrorCode::Unsupported};
    if (json.value("tpm2_pcrlock", false))
        throw Bad{"it is bound to a pcrlock policy", ErrorCode::Unsupported};
    if (json.value("tpm2-pcr-bank", std::string("sha256")) != "sha256")
        throw Bad{"it is bound to another PCR bank than SHA-256", ErrorCode::Unsupported};
    if (!json.contains("tpm2_srk"))
        throw Bad{"it was made without a storage root key, as systemd did before 254",
                  ErrorCode::Unsupported};
}

SealedKey keyFrom(const OrderedJson &json) {
    refuseUnknownNeeds(json);
    SealedKey key;
    key.blob = base64Member(json, "tpm2-blob");
    key.pcrs = pcrsMember(json, "tpm2-pcrs");
    key.primaryAlgorithm = json.value("tpm2-primary-alg", std::string("ecc"));
    key.policyHash = digestOf(json.at("tpm2-policy-hash"), "tpm2-policy-hash");
    key.srk = base64Member(json, "tpm2_srk");
    if (json.contains("tpm2_pubkey"))
        key.signer = PolicySigner{.pem = base64Member(json, "tpm2_pubkey"),
                                  .pcrs = pcrsMember(json, "tpm2_pubkey_pcrs")};
    key.ours = json.contains(kEnrolledMember);
    if (!key.ours) return key;
    if (!json.at(kEnrolledMember).is_object())
        throw Bad{std::string(kEnrolledMember) + " is no object"};
    for (const auto &[name, value] : json.at(kEnrolledMember).items()) {
        if (name.empty() || name.size() > 2 ||
            name.find_first_not_of("0123456789") != std::string::npos ||
            std::stoul(name) >= kPcrCount)
            throw Bad{std::string(kEnrolledMember) + " names a PCR that there is not"};
        key.enrolled[static_cast<unsigned>(std::stoul(name))] = digestOf(value, kEnrolledMember);
    }
    return key;
}

}  // namespace

std::string SealedKey::toJson(std::string_view type, unsigned slot) const {
    OrderedJson json{{"type", type},
                     {"keyslots", {std::to_string(slot)}},
                     {"tpm2-blob", crypto::toBase64(blob)},
                     {"tpm2-pcrs", pcrs},
                     {"tpm2-pcr-bank", bank},
                     {"tpm2-primary-alg", primaryAlgorithm},
                     {"tpm2-policy-hash", base::toHex(policyHash)},
                     // Read by systemd 251 and later; 252 wants it even when it is false.
                     {"tpm2-pin", pin}};
    if (signer) {
        json["tpm2_pubkey_pcrs"] = signer->pcrs;
        json["tpm2_pubkey"] = crypto::toBase64(signer->pem);
    }
    json["tpm2_srk"] = crypto::toBase64(srk);
    OrderedJson values = OrderedJson::object();
    for (const auto &[pcr, value] : enrolled) values[std::to_string(pcr)] = base::toHex(value);
    json[kEnrolledMember] = std::move(values);
    return json.dump();
}

base::Result<SealedKey> SealedKey::fromJson(const std::string &json) {
    const auto refuse = [](const std::string &why, ErrorCode code) {
        return base::fail(code, "its TPM token cannot be used: " + why);
    };
    try {
        const OrderedJson parsed = base::parseForeignJsonInOrder(json);
        if (!parsed.is_object()) return refuse("it is no JSON object", ErrorCode::HeaderCorrupt);
        return keyFrom(parsed);
    } catch (const Bad &bad) {
        return refuse(bad.what, bad.code);
    } catch (const OrderedJson::exception &exception) {
        return refuse(exception.what(), ErrorCode::HeaderCorrupt);
    }
}

}  // namespace volumecrypt::tpm
