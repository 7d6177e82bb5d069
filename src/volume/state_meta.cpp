// SPDX-License-Identifier: Apache-2.0
// Finds META by STATE's declaration, and uses it.
#include "volume/state_meta.h"

#include <algorithm>
#include <utility>

#include "base/journal.h"
#include "blockdev/device.h"
#include "config/values.h"
#include "meta/meta_store.h"
#include "meta/state_encryption.h"
#include "meta/state_spec.h"
#include "volume/stop.h"

namespace volumecrypt::volume {
namespace {

using base::ErrorCode;

constexpr std::size_t kLongestUuid = 255;

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

// What META is to say; nothing when Talos' form has no words for any of the keys.
base::Result<std::optional<base::SecretBuffer>> wantedText(const Session &session) {
    if (!session.spec().encryption) return meta::formatStateEncryption(nullptr);
    const meta::StateEncryption wanted = meta::stateEncryptionOf(session.encryption());
    if (!wanted.keys.empty()) return meta::formatStateEncryption(&wanted);
    session.reporter().warning(
        ErrorCode::InvalidConfig,
        session.describe() +
            ": META can hold none of its keys (it holds passphrases, but not the names of files): "
            "without its declaration in the configuration STATE cannot be unlocked");
    return std::nullopt;
}

// As Talos: the text that it writes for the same document, whenever another one is there.
bool says(const meta::Tags &tags, const std::optional<base::SecretBuffer> &wanted) {
    const auto found = tags.find(meta::kStateEncryptionTag);
    if (found == tags.end() || !wanted) return (found == tags.end()) == !wanted;
    return view(found->second) == view(*wanted);
}

// An older version left the file's name in META, and no passphrase.
void warnOfMissingPassphrases(const Session &session, const meta::StateEncryption &found) {
    for (const unsigned slot : meta::slotsWithoutPassphrase(found))
        session.reporter().warning(ErrorCode::InvalidConfig,
                                   "volume STATE, slot " + std::to_string(slot) +
                                       ": META says that it is a static key and not which: it is "
                                       "left out. Declare the encryption of STATE in the "
                                       "configuration to use it");
}

// As of an endpoint in a document. What it says is not repeated: it may be made to be printed.
base::Status checkEndpoints(const model::EncryptionSpec &spec) {
    for (const model::KeySpec &key : spec.keys) {
        const auto *kms = std::get_if<model::KmsKey>(&key.parameters);
        config::Endpoint endpoint;
        if (kms != nullptr && config::readEndpoint(kms->endpoint, endpoint))
            return base::fail(
                ErrorCode::HeaderCorrupt,
                "META: slot " + std::to_string(key.slot) + " of STATE has no valid KMS endpoint",
                "Declare the encryption of STATE in the configuration.");
    }
    return {};
}

base::Status writeLocked(const Session &session, const blockdev::Device &device,
                         const std::optional<base::SecretBuffer> &value) {
    VC_ASSIGN(const base::UniqueFd lock,
              blockdev::lockDevice(session.options().paths, device, checkStop));
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
    VC_ASSIGN(const std::optional<base::SecretBuffer> wanted, wantedText(session));
    if (says(tags, wanted)) return {};
    return writeLocked(session, *device, wanted);
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
    const auto encryption = meta::parseStateEncryption(view(found->second));
    if (!encryption) return base::fail(base::Error(encryption.error()).because("META"));
    if (!*encryption) return std::nullopt;
    warnOfMissingPassphrases(session, **encryption);
    auto spec = meta::specOf(**encryption);
    if (!spec) return base::fail(std::move(spec).error().because("META"));
    VC_TRY(checkEndpoints(*spec));
    return std::move(*spec);
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
    std::string uuid(view(found->second));
    // It becomes the text of keys, of requests and of messages.
    const bool plain = uuid.size() <= kLongestUuid &&
                       std::ranges::all_of(uuid, [](char c) { return c >= ' ' && c <= '~'; });
    if (plain) return uuid;
    return base::fail(ErrorCode::HeaderCorrupt,
                      "META: the UUID in its tag 15 is no line of printable ASCII text",
                      "Write tag 0x0f of META anew, or remove it.");
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

}  // namespace volumecrypt::volume
