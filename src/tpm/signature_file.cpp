// SPDX-License-Identifier: Apache-2.0
// Finding and reading signed PCR values.
#include <algorithm>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/files.h"
#include "base/foreign_json.h"
#include "base/text.h"
#include "crypto/base64.h"
#include "tpm/policy_key.h"

namespace volumecrypt::tpm {
namespace {

using base::ErrorCode;
using Json = nlohmann::json;

constexpr const char *kFolders[] = {"/etc/systemd", "/run/systemd", "/usr/local/lib/systemd",
                                    "/usr/lib/systemd", "/.extra"};
constexpr std::size_t kLongestFile = std::size_t{1} << 20;

base::Result<std::string> readFirst(const model::SystemPaths &paths, const std::string &name,
                                    const std::string &what) {
    std::string places;
    for (const char *folder : kFolders) {
        const std::string path = paths.below(std::string(folder) + "/" + name);
        auto content = base::readFile(path, kLongestFile);
        if (content) return content;
        if (content.error().code != ErrorCode::NotFound)
            return base::fail(std::move(content).error());
        places += (places.empty() ? "" : ", ") + path;
    }
    return base::fail(ErrorCode::NotFound, what + " was not found: no " + places,
                      "A unified kernel image with signed PCR values brings it (systemd-measure, "
                      "ukify).");
}

// A selection of PCRs has no order.
std::vector<unsigned> inOrder(std::vector<unsigned> pcrs) {
    std::sort(pcrs.begin(), pcrs.end());
    pcrs.erase(std::unique(pcrs.begin(), pcrs.end()), pcrs.end());
    return pcrs;
}

}  // namespace

base::Result<std::string> findSignature(const std::string &json, const PolicyKey &key,
                                        const std::vector<unsigned> &pcrs,
                                        const std::string &policy) {
    const auto unreadable = [](const std::string &why) {
        return base::fail(ErrorCode::InvalidConfig,
                          "tpm2-pcr-signature.json cannot be read: " + why);
    };
    bool otherKey = false;
    try {
        const Json parsed = base::parseForeignJson(json);
        if (!parsed.is_object()) return unreadable("it is no JSON object");
        for (const Json &entry : parsed.value("sha256", Json::array())) {
            const auto signedPcrs = base::integersIn<unsigned>(entry.at("pcrs"));
            if (!signedPcrs) return unreadable("pcrs is no list of numbers");
            if (inOrder(*signedPcrs) != inOrder(pcrs)) continue;
            if (base::fromHex(entry.at("pol").get<std::string>()) != policy) continue;
            if (base::fromHex(entry.at("pkfp").get<std::string>()) != key.fingerprint) {
                otherKey = true;
                continue;
            }
            const auto signature = crypto::fromBase64(entry.at("sig").get<std::string>());
            if (signature && !signature->empty()) return *signature;
        }
    } catch (const Json::exception &exception) {
        return unreadable(exception.what());
    }
    if (otherKey)
        return base::fail(ErrorCode::PcrMismatch,
                          "the PCR values are signed by another key than the one that is declared: "
                          "certificate fingerprint does not match",
                          "Boot a kernel image that the declared key signed, or declare its key.");
    return base::fail(ErrorCode::PcrMismatch,
                      "no signatures matching PCR SHA256 digest found in signature JSON: what this "
                      "machine booted was not signed for this phase of the boot",
                      "Boot a signed kernel image; the volume's other keys still open it.");
}

base::Result<std::string> readSignatureFile(const model::SystemPaths &paths) {
    return readFirst(paths, "tpm2-pcr-signature.json", "the signature of the PCR values");
}

base::Result<std::string> readPublicKeyFile(const model::SystemPaths &paths,
                                            const std::string &declared) {
    if (!declared.empty()) return base::readFile(declared, kLongestFile);
    return readFirst(paths, "tpm2-pcr-public-key.pem", "the public key of the signed policy");
}

}  // namespace volumecrypt::tpm
