// SPDX-License-Identifier: Apache-2.0
// tpm: what the TPM is, and whether it would open the volumes; one JSON line, or text.
#include <iostream>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/foreign_json.h"
#include "base/text.h"
#include "blockdev/device.h"
#include "config/loader.h"
#include "engine/verbs.h"
#include "luks/header_copy.h"
#include "model/slot_token.h"
#include "tpm/describe.h"
#include "volume/options.h"

namespace volumecrypt::engine {
namespace {

using Json = nlohmann::json;

// {"volume", "slot", "opens", "error"}
Json keyJson(const volume::Options &options, const model::VolumeId &id, const model::KeySpec &key,
             const model::HeaderView &view) {
    Json json{{"volume", id.text()}, {"slot", key.slot}, {"opens", false}, {"error", nullptr}};
    const auto token = model::slotToken(view, model::KeyKind::Tpm, key.slot);
    if (!token) {
        json["error"] =
            base::toJson({base::ErrorCode::NotFound, "the header holds no sealed TPM key for it",
                          "`volumecryptctl sync " + id.text() + "` makes it."});
        return json;
    }
    const auto &declared = std::get<model::TpmKey>(key.parameters);
    const tpm::Access access{.tcti = options.tcti.empty() ? declared.tcti : options.tcti,
                             .paths = options.paths};
    const auto sealed = tpm::SealedKey::fromJson(token->json);
    const base::Status opens = sealed ? tpm::wouldUnseal(access, *sealed)
                                      : base::Status(base::fail(base::Error(sealed.error())));
    json["opens"] = opens.has_value();
    if (!opens) json["error"] = base::toJson(opens.error());
    return json;
}

// Volumes that cannot be looked at are told as such, and hide no other one.
void addVolume(Json &keys, const volume::Options &options, const model::VolumeSpec &spec) {
    if (!spec.encryption) return;
    std::optional<luks::HeaderCopy> header;
    for (const model::KeySpec &key : spec.encryption->keys) {
        if (key.kind() != model::KeyKind::Tpm) continue;
        if (!header) {
            auto device = blockdev::findDevice(spec.device);
            auto copy = device ? luks::copyHeader(device->node)
                               : base::Result<luks::HeaderCopy>(base::fail(device.error()));
            if (!copy) {
                keys.push_back({{"volume", spec.id.text()},
                                {"slot", nullptr},
                                {"opens", false},
                                {"error", base::toJson(copy.error())}});
                return;
            }
            header = std::move(*copy);
        }
        keys.push_back(keyJson(options, spec.id, key, header->view));
    }
}

// The TPM that the keys name, when they name one; the machine's otherwise.
std::string describedTcti(const volume::Options &options,
                          const std::vector<const model::VolumeSpec *> &volumes) {
    if (!options.tcti.empty()) return options.tcti;
    std::set<std::string> named;
    for (const model::VolumeSpec *spec : volumes) {
        if (!spec->encryption) continue;
        for (const model::KeySpec &key : spec->encryption->keys)
            if (const auto *tpm = std::get_if<model::TpmKey>(&key.parameters))
                named.insert(tpm->tcti);
    }
    return named.size() == 1 ? *named.begin() : std::string();
}

bool isMeasured(const std::string &value) {
    return value.find_first_not_of('0') != std::string::npos &&
           value.find_first_not_of('f') != std::string::npos;
}

std::string listed(const Json &names) {
    std::string text;
    for (const Json &name : names) text += (text.empty() ? "" : ", ") + name.get<std::string>();
    return text.empty() ? "none" : text;
}

std::string tpmText(const Json &tpm) {
    std::string text = fmt::format("TPM {} by {}, firmware {}, at {}\nPCR banks: {}\n",
                                   tpm.at("specification").get<std::string>(),
                                   tpm.at("manufacturer").get<std::string>(),
                                   tpm.at("firmware").get<std::string>(),
                                   tpm.at("tcti").get<std::string>(), listed(tpm.at("banks")));
    const Json &root = tpm.at("storageRoot");
    text += "Storage root key: " +
            (root.is_null() ? std::string("none yet; the first key makes it")
                            : root.get<std::string>() + " at 0x81000001") +
            "\n";
    const Json &lockout = tpm.at("lockout");
    text += fmt::format("Lockout: {}, {} of {} failures, one is forgotten every {} s\n",
                        lockout.at("active").get<bool>() ? "ACTIVE" : "no",
                        lockout.at("failures").get<unsigned>(), lockout.at("limit").get<unsigned>(),
                        lockout.at("recoverySeconds").get<unsigned>());
    if (tpm.at("pcrs").is_null()) return text + "PCRs: no SHA-256 bank, so no key can be sealed\n";
    std::string unused;
    for (unsigned pcr = 0; pcr < tpm.at("pcrs").size(); ++pcr) {
        const auto value = tpm.at("pcrs").at(std::to_string(pcr)).get<std::string>();
        if (isMeasured(value))
            text += fmt::format("PCR {:>2}  {}\n", pcr, value);
        else
            unused += (unused.empty() ? "" : ", ") + std::to_string(pcr);
    }
    return text + (unused.empty() ? "" : "Nothing was measured into PCR " + unused + "\n");
}

std::string keyText(const Json &key) {
    std::string text = key.at("volume").get<std::string>();
    if (!key.at("slot").is_null()) text += fmt::format(", slot {}", key.at("slot").get<unsigned>());
    if (key.at("opens").get<bool>()) return text + ": the TPM would open it\n";
    const Json &error = key.at("error");
    text += ": " + error.at("code").get<std::string>() + ": " +
            error.at("message").get<std::string>() + "\n";
    const auto hint = error.at("hint").get<std::string>();
    return hint.empty() ? text : text + "  hint: " + hint + "\n";
}

base::Error notDeclared(const volume::Options &options) {
    return {base::ErrorCode::NotFound,
            "volume " + options.id.text() + " is not declared in the configuration",
            "Add a document for it to a file in " + options.paths.configDirs().front() + "."};
}

int reportFailure(const volume::Options &options, const base::Error &error) {
    if (options.output == volume::OutputFormat::Json) {
        Json json = base::toJson(error);
        json["type"] = "error";
        json["verb"] = options.verbName;
        json["volume"] = nullptr;
        std::cout << json.dump(-1, ' ', true, Json::error_handler_t::replace) << '\n';
    } else {
        std::cerr << base::errorName(error.code) << ": " << base::printableLines(error.message)
                  << '\n';
        if (!error.hint.empty()) std::cerr << "hint: " << base::printableLines(error.hint) << '\n';
    }
    return error.retry ? volume::kExitRetry : volume::kExitError;
}

}  // namespace

int reportTpm(const volume::Options &options) {
    const config::Configuration configuration = config::load(options.paths, config::Secrets::Drop);
    std::vector<const model::VolumeSpec *> volumes;
    for (const model::VolumeSpec &spec : configuration.volumes)
        if (options.allVolumes || spec.id == options.id) volumes.push_back(&spec);
    if (volumes.empty() && !options.allVolumes) return reportFailure(options, notDeclared(options));
    const auto tpm =
        tpm::describe({.tcti = describedTcti(options, volumes), .paths = options.paths});
    if (!tpm) return reportFailure(options, tpm.error());
    Json keys = Json::array();
    for (const model::VolumeSpec *spec : volumes) addVolume(keys, options, *spec);
    if (options.output == volume::OutputFormat::Json) {
        const Json json{{"type", "result"},  {"verb", options.verbName},
                        {"volume", nullptr}, {"changed", false},
                        {"tpm", *tpm},       {"keys", keys}};
        std::cout << json.dump(-1, ' ', true, Json::error_handler_t::replace) << '\n';
        return volume::kExitDone;
    }
    std::cout << base::printableLines(tpmText(*tpm));
    for (const Json &key : keys) std::cout << base::printableLines(keyText(key));
    return volume::kExitDone;
}

}  // namespace volumecrypt::engine
