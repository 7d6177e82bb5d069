// SPDX-License-Identifier: Apache-2.0
// The record's JSON, written with sorted members so that the same record is always the same text.
#include "model/record.h"

#include <algorithm>
#include <array>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/foreign_json.h"
#include "base/text.h"

namespace volumecrypt::model {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kDigestBytes = 32;

constexpr std::array<std::pair<PendingOperation, std::string_view>, 3> kOperations{{
    {PendingOperation::Add, "add"},
    {PendingOperation::Replace, "replace"},
    {PendingOperation::Remove, "remove"},
}};

constexpr std::array<std::pair<JobOperation, std::string_view>, 3> kJobs{{
    {JobOperation::Encrypt, "encrypt"},
    {JobOperation::Decrypt, "decrypt"},
    {JobOperation::Reencrypt, "reencrypt"},
}};

constexpr std::array<std::pair<Phase, std::string_view>, 3> kPhases{{
    {Phase::Formatting, "formatting"},
    {Phase::Filling, "filling"},
    {Phase::Ready, "ready"},
}};

// Thrown and caught inside this file only: nlohmann reports its own errors by exceptions as well.
struct BadRecord {
    std::string what;
};

unsigned digitValue(char c) {
    if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
    if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a') + 10;
    throw BadRecord{"a digest is not in hexadecimal"};
}

std::string digestFrom(const Json &value) {
    const auto text = value.get<std::string>();
    if (text.empty()) return {};
    if (text.size() != 2 * kDigestBytes) throw BadRecord{"a digest has the wrong length"};
    std::string bytes;
    for (std::size_t i = 0; i < text.size(); i += 2)
        bytes += static_cast<char>(digitValue(text[i]) * 16 + digitValue(text[i + 1]));
    return bytes;
}

unsigned slotFrom(const Json &value) {
    const auto slot = base::integerIn<unsigned>(value);
    if (!slot || *slot >= kSlotCount) throw BadRecord{"a slot number is out of range"};
    return *slot;
}

Json slotJson(const RecordSlot &slot) {
    return {{"kind", keyKindName(slot.kind)},
            {"origin", slot.origin == Origin::Added ? "added" : "declared"},
            {"lockToState", slot.lockedToState},
            {"salt", base::toHex(slot.saltDigest)},
            {"params", base::toHex(slot.paramsDigest)},
            {"area", base::toHex(slot.areaDigest)},
            {"check", base::toHex(slot.check)}};
}

RecordSlot slotFromJson(const Json &json) {
    RecordSlot slot;
    const auto kind = keyKindFromName(json.at("kind").get<std::string>());
    if (!kind) throw BadRecord{"a slot has an unknown kind"};
    slot.kind = *kind;
    const auto origin = json.at("origin").get<std::string>();
    if (origin != "added" && origin != "declared") throw BadRecord{"a slot has an unknown origin"};
    slot.origin = origin == "added" ? Origin::Added : Origin::Declared;
    slot.lockedToState = json.at("lockToState").get<bool>();
    slot.saltDigest = digestFrom(json.at("salt"));
    slot.paramsDigest = digestFrom(json.at("params"));
    slot.areaDigest = digestFrom(json.at("area"));
    slot.check = digestFrom(json.at("check"));
    return slot;
}

std::string_view operationName(PendingOperation operation) {
    for (const auto &[value, name] : kOperations)
        if (value == operation) return name;
    return "add";
}

PendingOperation operationFrom(const std::string &text) {
    for (const auto &[value, name] : kOperations)
        if (name == text) return value;
    throw BadRecord{"the pending operation is unknown"};
}

Json pendingJson(const Pending &pending) {
    return {{"op", operationName(pending.operation)},
            {"slot", pending.slot},
            {"spare", pending.spare ? Json(*pending.spare) : Json(nullptr)},
            {"token", pending.token.empty() ? Json(nullptr) : Json(pending.token)},
            {"entry", slotJson(pending.entry)}};
}

Pending pendingFromJson(const Json &json) {
    Pending pending;
    pending.operation = operationFrom(json.at("op").get<std::string>());
    pending.slot = slotFrom(json.at("slot"));
    if (!json.at("spare").is_null()) pending.spare = slotFrom(json.at("spare"));
    if (!json.at("token").is_null()) pending.token = json.at("token").get<std::string>();
    pending.entry = slotFromJson(json.at("entry"));
    return pending;
}

std::string_view phaseName(Phase phase) {
    for (const auto &[value, name] : kPhases)
        if (value == phase) return name;
    return "formatting";
}

std::string_view jobName(JobOperation operation) {
    for (const auto &[value, name] : kJobs)
        if (value == operation) return name;
    return "reencrypt";
}

Json jobJson(const Job &job) {
    Json slots = Json::object();
    for (const auto &[slot, temporary] : job.slots) slots[std::to_string(slot)] = temporary;
    return {{"op", jobName(job.operation)}, {"slots", std::move(slots)}, {"final", job.final}};
}

Json bodyJson(const Record &record) {
    Json slots = Json::object();
    for (const auto &[number, slot] : record.slots) slots[std::to_string(number)] = slotJson(slot);
    Json body{{"type", kRecordTokenType},
              {"keyslots", Json::array()},
              {"version", record.job ? kRecordVersionWithJob : kRecordVersion},
              {"volume", record.volume},
              {"phase", phaseName(record.phase)},
              {"pending", record.pending ? pendingJson(*record.pending) : Json(nullptr)},
              {"slots", std::move(slots)}};
    if (record.job) body["job"] = jobJson(*record.job);
    return body;
}

Phase phaseFrom(const std::string &text) {
    for (const auto &[phase, name] : kPhases)
        if (name == text) return phase;
    throw BadRecord{"the phase is unknown"};
}

unsigned slotNumberFrom(const std::string &key) {
    if (key.empty() || key.size() > 2 || key.find_first_not_of("0123456789") != std::string::npos)
        throw BadRecord{"a slot number is no number"};
    return slotFrom(Json(static_cast<unsigned>(std::stoul(key))));
}

Job jobFromJson(const Json &json) {
    Job job;
    const auto operation = json.at("op").get<std::string>();
    const auto *const known = std::find_if(kJobs.begin(), kJobs.end(), [&](const auto &candidate) {
        return candidate.second == operation;
    });
    if (known == kJobs.end()) throw BadRecord{"the job is unknown"};
    job.operation = known->first;
    for (const auto &[slot, temporary] : json.at("slots").items())
        job.slots.emplace(slotNumberFrom(slot), slotFrom(temporary));
    job.final = json.at("final").get<std::string>();
    job.mac = digestFrom(json.at("mac"));
    return job;
}

Record recordFromJson(const Json &json) {
    Record record;
    record.volume = json.at("volume").get<std::string>();
    record.phase = phaseFrom(json.at("phase").get<std::string>());
    if (!json.at("pending").is_null()) record.pending = pendingFromJson(json.at("pending"));
    for (const auto &[key, value] : json.at("slots").items())
        record.slots.emplace(slotNumberFrom(key), slotFromJson(value));
    record.mac = digestFrom(json.at("mac"));
    if (json.contains("machine")) record.machine = digestFrom(json.at("machine"));
    if (json.contains("job")) {
        record.job = jobFromJson(json.at("job"));
        record.version = kRecordVersionWithJob;
    }
    return record;
}

}  // namespace

std::string Record::toJson() const {
    Json json = bodyJson(*this);
    if (job) json["job"]["mac"] = base::toHex(job->mac);
    json["mac"] = base::toHex(mac);
    if (!machine.empty()) json["machine"] = base::toHex(machine);
    return json.dump();
}

std::string Record::authenticatedText() const {
    return bodyJson(*this).dump();
}

const RecordSlot *Record::entry(unsigned slot) const {
    const auto at = slots.find(slot);
    return at == slots.end() ? nullptr : &at->second;
}

base::Result<Record> Record::fromJson(const std::string &json) {
    const auto corrupt = [](const std::string &why) {
        return base::fail(base::ErrorCode::HeaderCorrupt,
                          "the volumecrypt record cannot be read: " + why);
    };
    try {
        const Json parsed = base::parseForeignJson(json);
        if (!parsed.is_object()) return corrupt("it is no JSON object");
        const auto version = base::integerIn<std::uint64_t>(parsed.at("version"));
        if (!version) return corrupt("its version is no number");
        const unsigned known = parsed.contains("job") ? kRecordVersionWithJob : kRecordVersion;
        if (*version > known)
            return base::fail(base::ErrorCode::Unsupported,
                              "the record was written by a newer version of volumecrypt (it is of "
                              "version " +
                                  std::to_string(*version) + ", this program knows version " +
                                  std::to_string(known) + ")",
                              "Update volumecrypt; nothing was changed.");
        return recordFromJson(parsed);
    } catch (const BadRecord &bad) {
        return corrupt(bad.what);
    } catch (const Json::exception &exception) {
        return corrupt(exception.what());
    }
}

}  // namespace volumecrypt::model
