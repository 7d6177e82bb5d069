// SPDX-License-Identifier: Apache-2.0
// Writes and reads a declared volume as JSON, member by member.
#include "model/volume_spec_json.h"

#include <utility>

#include <nlohmann/json.hpp>

#include "base/foreign_json.h"

namespace volumecrypt::model {
namespace {

using Json = nlohmann::json;

constexpr std::uint64_t kVersion = 1;

struct BadSpec : std::exception {};

template <typename Value>
Value required(const std::optional<Value> &value) {
    if (!value) throw BadSpec();
    return *value;
}

template <typename Integer>
Integer number(const Json &json) {
    return required(base::integerIn<Integer>(json));
}

std::vector<unsigned> numbers(const Json &json) {
    return required(base::integersIn<unsigned>(json));
}

Json positionJson(const SourcePosition &position) {
    return {{"file", position.file}, {"line", position.line}, {"column", position.column}};
}

SourcePosition positionFrom(const Json &json) {
    return {.file = json.at("file").get<std::string>(),
            .line = number<unsigned>(json.at("line")),
            .column = number<unsigned>(json.at("column"))};
}

// What is not set is left out.
struct MemberWriter {
    Json &json;
    template <typename Part>
    void operator()(const char *name, const std::optional<Part> &part) const {
        if (part) Part::members(*part, MemberWriter{json[name] = Json::object()});
    }
    void operator()(const char *name, const auto &value) const { json[name] = value; }
};

struct MemberReader {
    const Json &json;
    void operator()(const char *name, std::string &value) const {
        value = json.at(name).get<std::string>();
    }
    void operator()(const char *name, bool &value) const { value = json.at(name).get<bool>(); }
    void operator()(const char *name, std::vector<unsigned> &value) const {
        value = numbers(json.at(name));
    }
    template <typename Part>
    void operator()(const char *name, std::optional<Part> &part) const {
        if (json.contains(name)) Part::members(part.emplace(), MemberReader{json.at(name)});
    }
};

Json keyJson(const KeySpec &key) {
    Json json{{"slot", key.slot},
              {"kind", keyKindName(key.kind())},
              {"lockToState", key.lockToState},
              {"position", positionJson(key.position)}};
    std::visit([&json](const auto &of) { of.members(of, MemberWriter{json}); }, key.parameters);
    return json;
}

KeyParameters parametersFrom(const Json &json) {
    const KeyKind kind = required(keyKindFromName(json.at("kind").get<std::string>()));
    std::optional<KeyParameters> parameters = emptyParameters(kind);
    if (!parameters) throw BadSpec();
    std::visit([&json](auto &of) { of.members(of, MemberReader{json}); }, *parameters);
    if (const auto *tpm = std::get_if<TpmKey>(&*parameters); tpm && tctiFault(tpm->tcti))
        throw BadSpec();
    return std::move(*parameters);
}

Json encryptionJson(const EncryptionSpec &encryption) {
    Json json{{"cipher", encryption.cipher},
              {"keyBits", encryption.keyBits},
              {"sectorSize", encryption.sectorSize},
              {"allowDiscards", encryption.allowDiscards},
              {"removeUnmanaged", encryption.unmanagedSlots == UnmanagedSlots::Remove},
              {"tpmReseal", static_cast<int>(encryption.tpmReseal)},
              {"options", Json::array()},
              {"keys", Json::array()}};
    for (const PerformanceOption option : encryption.options)
        json["options"].push_back(performanceOptionName(option));
    for (const KeySpec &key : encryption.keys) json["keys"].push_back(keyJson(key));
    return json;
}

EncryptionSpec encryptionFrom(const Json &json) {
    EncryptionSpec encryption;
    encryption.cipher = json.at("cipher").get<std::string>();
    encryption.keyBits = number<unsigned>(json.at("keyBits"));
    encryption.sectorSize = number<unsigned>(json.at("sectorSize"));
    encryption.allowDiscards = json.at("allowDiscards").get<bool>();
    encryption.unmanagedSlots =
        json.at("removeUnmanaged").get<bool>() ? UnmanagedSlots::Remove : UnmanagedSlots::Keep;
    const auto reseal = number<unsigned>(json.at("tpmReseal"));
    if (reseal > static_cast<unsigned>(TpmReseal::Manual)) throw BadSpec();
    encryption.tpmReseal = static_cast<TpmReseal>(reseal);
    for (const Json &option : json.at("options"))
        encryption.options.push_back(
            required(performanceOptionFromName(option.get<std::string>())));
    for (const Json &key : json.at("keys"))
        encryption.keys.push_back({.slot = number<unsigned>(key.at("slot")),
                                   .parameters = parametersFrom(key),
                                   .lockToState = key.at("lockToState").get<bool>(),
                                   .position = positionFrom(key.at("position"))});
    return encryption;
}

void readStorage(const Json &json, VolumeSpec &spec) {
    spec.device.path = json.at("device").get<std::string>();
    spec.device.byLabel = json.at("byLabel").get<bool>();
    spec.unlock = json.at("manual").get<bool>() ? UnlockPolicy::Manual : UnlockPolicy::Auto;
    spec.format = json.at("neverFormat").get<bool>() ? FormatPolicy::Never : FormatPolicy::IfEmpty;
    spec.metaDevice = json.at("metaDevice").get<std::string>();
    if (json.contains("mount"))
        spec.mount =
            MountSpec{.where = json.at("mount").at("where").get<std::string>(),
                      .options = json.at("mount").at("options").get<std::vector<std::string>>()};
    spec.required = json.at("required").get<bool>();
    spec.declaredPlain = json.at("declaredPlain").get<bool>();
    if (json.contains("deviceTimeout"))
        spec.deviceTimeout = std::chrono::seconds(number<std::int64_t>(json.at("deviceTimeout")));
    const Json &filesystem = json.at("filesystem");
    spec.filesystem.type = required(filesystemFromName(filesystem.at("type").get<std::string>()));
    spec.filesystem.label = filesystem.at("label").get<std::string>();
    spec.filesystem.projectQuota = filesystem.at("projectQuota").get<bool>();
    // Not in what an older version has written during this boot.
    spec.filesystem.minAllocationGroupSize =
        filesystem.value("minAllocationGroupSize", std::uint64_t{0});
    if (json.contains("trimInterval"))
        spec.trimInterval = std::chrono::seconds(json.at("trimInterval").get<std::int64_t>());
}

}  // namespace

std::string toJson(const VolumeSpec &spec) {
    Json json{{"version", kVersion},
              {"id", spec.id.text()},
              {"device", spec.device.path},
              {"byLabel", spec.device.byLabel},
              {"manual", spec.unlock == UnlockPolicy::Manual},
              {"neverFormat", spec.format == FormatPolicy::Never},
              {"metaDevice", spec.metaDevice},
              {"required", spec.required},
              {"declaredPlain", spec.declaredPlain},
              {"filesystem",
               {{"type", filesystemName(spec.filesystem.type)},
                {"label", spec.filesystem.label},
                {"projectQuota", spec.filesystem.projectQuota},
                {"minAllocationGroupSize", spec.filesystem.minAllocationGroupSize}}},
              {"position", positionJson(spec.position)}};
    if (spec.mount)
        json["mount"] = {{"where", spec.mount->where}, {"options", spec.mount->options}};
    if (spec.deviceTimeout) json["deviceTimeout"] = spec.deviceTimeout->count();
    if (spec.trimInterval) json["trimInterval"] = spec.trimInterval->count();
    if (spec.encryption) json["encryption"] = encryptionJson(*spec.encryption);
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

base::Result<VolumeSpec> volumeSpecFromJson(std::string_view text) {
    const Json json = base::parseForeignJson(text);
    try {
        const auto version = number<std::uint64_t>(json.at("version"));
        if (version > kVersion)
            return base::fail(base::ErrorCode::Unsupported,
                              "the remembered declaration was written by a newer version of "
                              "volumecrypt",
                              "Update volumecrypt, or correct the configuration.");
        if (version != kVersion) throw BadSpec();
        VC_ASSIGN(VolumeId id, VolumeId::parse(json.at("id").get<std::string>()));
        VolumeSpec spec(std::move(id));
        readStorage(json, spec);
        if (json.contains("encryption")) spec.encryption = encryptionFrom(json.at("encryption"));
        spec.position = positionFrom(json.at("position"));
        return spec;
    } catch (const std::exception &) {
        return base::fail(base::ErrorCode::InvalidConfig,
                          "the remembered declaration cannot be read");
    }
}

}  // namespace volumecrypt::model
