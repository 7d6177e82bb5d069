// SPDX-License-Identifier: Apache-2.0
// Finding META by STATE's declaration, and its use.
#include "engine/state_meta.h"

#include <utility>

#include "base/journal.h"
#include "blockdev/same_disk.h"
#include "engine/stop.h"
#include "meta/meta_store.h"
#include "meta/state_encryption.h"

namespace volumecrypt::engine {
namespace {

using base::ErrorCode;

std::string_view view(const base::SecretBuffer &value) {
    return {value.chars(), value.size()};
}

// Nothing when the machine has none, or no STATE by which to find it.
base::Result<std::optional<blockdev::Device>> findMeta(const Session &session) {
    const model::VolumeSpec *state = session.stateSpec();
    if (state == nullptr || state->metaDevice.empty()) return std::nullopt;
    const auto device = blockdev::findDevice(state->device);
    if (!device) return std::nullopt;
    auto meta = blockdev::findOnSameDisk(state->metaDevice, *device);
    if (meta) return std::move(*meta);
    if (meta.error().code == ErrorCode::NotFound) return std::nullopt;
    return base::fail(std::move(meta).error().because("META"));
}

base::Result<std::optional<meta::Tags>> readTags(const Session &session) {
    VC_ASSIGN(const auto device, findMeta(session));
    if (!device) return std::nullopt;
    auto tags = meta::readMeta(device->node);
    if (!tags) return base::fail(std::move(tags).error().because("META"));
    return std::move(*tags);
}

// What META says now, in the words that we would use: Talos' own text may say the same in others.
std::string present(const meta::Tags &tags) {
    const auto found = tags.find(meta::kStateEncryptionTag);
    if (found == tags.end()) return {};
    const auto parsed = meta::parseStateEncryption(view(found->second));
    if (!parsed) return {};
    const auto text = meta::formatStateEncryption(*parsed ? &**parsed : nullptr);
    return text ? std::string(view(*text)) : std::string();
}

base::Status writeLocked(const Session &session, const blockdev::Device &device,
                         const std::optional<base::SecretBuffer> &value) {
    VC_ASSIGN(const base::UniqueFd lock, blockdev::lockDevice(session.options().paths, device, checkStop));
    VC_ASSIGN(const bool written, meta::writeTag(device.node, meta::kStateEncryptionTag, value));
    if (written)
        base::log(base::Severity::Notice,
                  value ? "saved state encryption config to META"
                        : "removed state encryption config from META",
                  {{"VOLUME", session.id().text()}, {"OPERATION", "meta"}});
    return {};
}

base::Status save(const Session &session) {
    VC_ASSIGN(const auto device, findMeta(session));
    if (!device) return {};
    VC_ASSIGN(const meta::Tags tags, meta::readMeta(device->node));
    const model::VolumeSpec &spec = session.spec();
    VC_ASSIGN(const base::SecretBuffer wanted,
              meta::formatStateEncryption(spec.encryption ? &*spec.encryption : nullptr));
    if (present(tags) == view(wanted)) return {};
    return writeLocked(session, *device, base::SecretBuffer::copyOf(wanted.bytes()));
}

// Values that are no secret by their nature.
bool isPublic(std::uint32_t tag) {
    return tag == 6 || tag == 7 || tag == 8 || tag == meta::kUuidOverrideTag || tag == 17;
}

nlohmann::json shown(std::uint32_t tag, const base::SecretBuffer &value) {
    if (tag == meta::kStateEncryptionTag) return meta::redactedStateEncryption(view(value));
    if (isPublic(tag)) return std::string(view(value));
    return nullptr;
}

}  // namespace

base::Result<std::optional<model::EncryptionSpec>> stateEncryptionInMeta(const Session &session) {
    VC_ASSIGN(const auto tags, readTags(session));
    if (!tags) return std::nullopt;
    const auto found = tags->find(meta::kStateEncryptionTag);
    if (found == tags->end()) return std::nullopt;
    auto encryption = meta::parseStateEncryption(view(found->second));
    if (!encryption) return base::fail(std::move(encryption).error().because("META"));
    if (!*encryption) return std::nullopt;
    // Talos tries two keys on one slot; here a slot has one key.
    const auto &keys = (*encryption)->keys;
    for (std::size_t i = 1; i < keys.size(); ++i)
        if (keys[i].slot == keys[i - 1].slot)
            return base::fail(ErrorCode::HeaderCorrupt,
                              "META: duplicate key slot " + std::to_string(keys[i].slot) +
                                  " in the encryption of STATE",
                              "Declare the encryption of STATE in the configuration.");
    return std::move(*encryption);
}

void warnOfPassphrasesInMeta(const Session &session) {
    const bool isState = session.id().kind() == model::VolumeKind::State;
    if (!isState || !session.spec().encryption) return;
    if (const auto meta = findMeta(session); !meta || !*meta) return;
    for (const model::KeySpec &key : session.encryption().keys) {
        const auto *fixed = std::get_if<model::StaticKey>(&key.parameters);
        if (fixed != nullptr && !fixed->passphrase.empty())
            session.reporter().warning(
                ErrorCode::InvalidConfig,
                session.describe() + ", slot " + std::to_string(key.slot) +
                    ": META keeps this static passphrase in the open, so that STATE can be "
                    "unlocked before its configuration is read: whoever has the disk has the key");
    }
}

void saveStateEncryption(const Session &session) {
    warnOfPassphrasesInMeta(session);
    const bool isState = session.id().kind() == model::VolumeKind::State;
    if (!isState || session.encryptionIsMetas()) return;
    // Nothing declared, nothing in META: that is no word of the configuration.
    if (!session.spec().encryption && !session.spec().declaredPlain) return;
    if (auto saved = save(session); !saved)
        session.reporter().warning(
            saved.error().code,
            "the encryption of STATE could not be saved to META: " + saved.error().message);
}

base::Status clearStateEncryption(const Session &session) {
    if (session.id().kind() != model::VolumeKind::State) return {};
    VC_ASSIGN(const auto device, findMeta(session));
    if (!device) return {};
    VC_ASSIGN(const meta::Tags tags, meta::readMeta(device->node));
    if (!tags.contains(meta::kStateEncryptionTag)) return {};
    return writeLocked(session, *device, std::nullopt);
}

base::Result<std::optional<std::string>> uuidOverride(const Session &session) {
    VC_ASSIGN(const auto tags, readTags(session));
    if (!tags) return std::nullopt;
    const auto found = tags->find(meta::kUuidOverrideTag);
    if (found == tags->end() || found->second.empty()) return std::nullopt;
    return std::string(view(found->second));
}

base::Result<nlohmann::json> metaReport(const Session &session) {
    VC_ASSIGN(const auto tags, readTags(session));
    if (!tags) return nullptr;
    nlohmann::json report = nlohmann::json::array();
    for (const auto &[tag, value] : *tags)
        report.push_back({{"tag", tag},
                          {"name", meta::tagName(tag)},
                          {"size", value.size()},
                          {"value", shown(tag, value)}});
    return report;
}

}  // namespace volumecrypt::engine
