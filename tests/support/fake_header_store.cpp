// SPDX-License-Identifier: Apache-2.0
// The model: slots and tokens in maps, each change in the steps in which libcryptsetup makes it.
#include "support/fake_header_store.h"

#include <algorithm>
#include <utility>

#include "crypto/digest.h"
#include "luks/header_copy.h"
#include "luks/header_validation.h"
#include "model/key_spec.h"

namespace volumecrypt::test {
namespace {

using base::ErrorCode;
using luks::failSlot;
using luks::slotName;

constexpr unsigned kKeyBytes = 64;
constexpr std::uint64_t kAreaSize = 258048;  // 4000 times the key, in units of 4096
constexpr const char *kUuid = "11111111-2222-4333-8444-555555555555";

model::KdfView kdfOf(luks::KdfCost cost) {
    model::KdfView kdf;
    kdf.type = "argon2id";
    kdf.iterations = 4;
    kdf.memoryKiB = cost == luks::KdfCost::Minimal ? 32 : 262144;
    kdf.lanes = 1;
    return kdf;
}

}  // namespace

FakeHeaderStore::FakeHeaderStore(const base::SecretBuffer &volumeKey, FakeLayout layout)
    : volumeKey_(base::SecretBuffer::copyOf(volumeKey.bytes())), layout_(layout) {}

base::Status FakeHeaderStore::reachWritePoint() {
    ++writes_;
    if (!fault_ || fault_->at != writes_) return {};
    const Fault fault = *std::exchange(fault_, std::nullopt);
    if (!fault.error) throw Killed{};
    return base::fail(base::Error(*fault.error));
}

void FakeHeaderStore::failAt(unsigned nth, base::Error error) {
    fault_ = Fault{.at = writes_ + nth, .error = std::move(error)};
}

void FakeHeaderStore::killAt(unsigned nth) {
    fault_ = Fault{.at = writes_ + nth, .error = std::nullopt};
}

void FakeHeaderStore::forgetFaults() {
    fault_.reset();
}

void FakeHeaderStore::changeKdf(unsigned slot, const model::KdfView &kdf) {
    slots_.at(slot).kdf = kdf;
}

nlohmann::json FakeHeaderStore::slotJson(const Slot &slot) const {
    return {{"type", "luks2"},
            {"key_size", kKeyBytes},
            {"af", {{"type", "luks1"}, {"stripes", 4000}, {"hash", "sha256"}}},
            {"area",
             {{"type", "raw"},
              {"offset", std::to_string(slot.areaOffset)},
              {"size", std::to_string(kAreaSize)},
              {"encryption", "aes-xts-plain64"},
              {"key_size", kKeyBytes}}},
            {"kdf",
             {{"type", slot.kdf.type},
              {"time", slot.kdf.iterations},
              {"memory", slot.kdf.memoryKiB},
              {"cpus", slot.kdf.lanes},
              {"salt", std::to_string(slot.generation)}}}};
}

nlohmann::json FakeHeaderStore::document() const {
    nlohmann::json slots = nlohmann::json::object();
    nlohmann::json tokens = nlohmann::json::object();
    for (const auto &[number, slot] : slots_) slots[std::to_string(number)] = slotJson(slot);
    for (const auto &[id, token] : tokens_) tokens[std::to_string(id)] = token;
    return {{"keyslots", slots}, {"tokens", tokens}};
}

std::size_t FakeHeaderStore::jsonSize() const {
    // What a real header has beside key slots and tokens.
    constexpr std::size_t kRest = 500;
    return document().dump().size() + kRest;
}

bool FakeHeaderStore::fits() const {
    return jsonSize() <= layout_.metadataSize - 4096;
}

std::optional<std::uint64_t> FakeHeaderStore::freeArea() const {
    const std::uint64_t begin = 2 * layout_.metadataSize;
    const std::uint64_t end = begin + layout_.keyslotsSize;
    for (std::uint64_t offset = begin; offset + kAreaSize <= end; offset += kAreaSize) {
        const bool taken = std::ranges::any_of(
            slots_, [&](const auto &entry) { return entry.second.areaOffset == offset; });
        if (!taken) return offset;
    }
    return std::nullopt;
}

base::Result<model::HeaderView> FakeHeaderStore::view() {
    model::HeaderView view;
    view.version = 2;
    view.uuid = kUuid;
    view.metadataSize = layout_.metadataSize;
    view.keyslotsSize = layout_.keyslotsSize;
    view.jsonFree = layout_.metadataSize - 4096 - jsonSize();
    view.volumeKeyBits = slots_.empty() ? 0 : kKeyBytes * 8;
    model::SegmentView segment;
    segment.type = "crypt";
    segment.cipher = "aes-xts-plain64";
    segment.offset = 2 * layout_.metadataSize + layout_.keyslotsSize;
    view.segments.push_back(segment);
    model::DigestView digest{.type = "pbkdf2", .iterations = 1000, .slots = {}, .coversData = true};
    for (const auto &[number, slot] : slots_) {
        model::SlotView &entry = view.slots[number];
        entry.number = number;
        entry.type = "luks2";
        entry.kdf = slot.kdf;
        entry.areaCipher = "aes-xts-plain64";
        entry.areaOffset = slot.areaOffset;
        entry.areaSize = kAreaSize;
        entry.areaKeyBits = entry.keyBits = kKeyBytes * 8;
        entry.json = slotJson(slot).dump();
        digest.slots.push_back(number);
    }
    view.digests.push_back(std::move(digest));
    for (const auto &[id, token] : tokens_) {
        model::TokenView &entry = view.tokens[id];
        entry.id = id;
        entry.type = token.at("type");
        for (const std::string slot : token.at("keyslots"))
            entry.keyslots.push_back(static_cast<unsigned>(std::stoul(slot)));
        entry.json = token.dump();
    }
    return view;
}

base::Result<base::SecretBuffer> FakeHeaderStore::openSlot(unsigned slot,
                                                           const base::SecretBuffer &passphrase) {
    const auto found = slots_.find(slot);
    if (found == slots_.end())
        return failSlot(ErrorCode::NotFound, slot, slotName(slot) + " is empty");
    VC_ASSIGN(const model::HeaderView now, view());
    VC_TRY(luks::validateKdfCost(now.slots.at(slot), layout_.ramKiB));
    ++kdfRuns_;
    if (found->second.ruined || !(found->second.passphrase == passphrase))
        return failSlot(ErrorCode::KeyRejected, slot,
                        slotName(slot) + " is not opened by this passphrase");
    return base::SecretBuffer::copyOf(volumeKey_.bytes());
}

base::Status FakeHeaderStore::addSlot(unsigned slot, const base::SecretBuffer &volumeKey,
                                      const base::SecretBuffer &passphrase, luks::KdfCost cost) {
    if (slot >= model::kSlotCount || passphrase.empty())
        return failSlot(ErrorCode::Internal, slot, slotName(slot) + " cannot be made");
    if (slots_.contains(slot))
        return failSlot(ErrorCode::SlotInUse, slot, slotName(slot) + " is in use");
    const auto area = freeArea();
    if (!area) return failSlot(ErrorCode::NoSpace, slot, "no room for " + slotName(slot));
    if (!(volumeKey == volumeKey_))
        return failSlot(ErrorCode::KeyRejected, slot, "this is not the volume key");
    Slot added;
    added.passphrase = base::SecretBuffer::copyOf(passphrase.bytes());
    added.kdf = kdfOf(cost);
    added.generation = ++generations_;
    added.areaOffset = *area;
    ++kdfRuns_;
    auto entry = slots_.emplace(slot, std::move(added)).first;
    // Until the second point is passed, only an area that belongs to nobody has been written.
    try {
        base::Status done;
        if (fits())
            done = reachWritePoint();
        else
            done = failSlot(ErrorCode::NoSpace, slot, "the metadata is full");
        if (done) done = reachWritePoint();
        if (!done) slots_.erase(entry);
        return done;
    } catch (const Killed &) {
        slots_.erase(entry);
        throw;
    }
}

void FakeHeaderStore::unlink(unsigned slot) {
    const std::string name = std::to_string(slot);
    for (auto &[id, token] : tokens_) {
        nlohmann::json kept = nlohmann::json::array();
        for (const nlohmann::json &item : token.at("keyslots"))
            if (item != name) kept.push_back(item);
        token["keyslots"] = kept;
    }
}

base::Status FakeHeaderStore::destroySlot(unsigned slot) {
    if (slot >= model::kSlotCount)
        return failSlot(ErrorCode::Internal, slot, slotName(slot) + " does not exist");
    const auto found = slots_.find(slot);
    if (found == slots_.end()) return {};
    VC_TRY(reachWritePoint());
    found->second.ruined = true;
    VC_TRY(reachWritePoint());
    slots_.erase(found);
    unlink(slot);
    return {};
}

base::Status FakeHeaderStore::setToken(unsigned id, const std::string &json) {
    nlohmann::json wanted = nlohmann::json::parse(json, nullptr, false);
    const bool shaped = id < model::kSlotCount && wanted.is_object() && wanted.contains("type") &&
                        wanted.contains("keyslots") && wanted["keyslots"].is_array();
    if (!shaped) return base::fail(ErrorCode::Internal, "this is no token");
    for (const nlohmann::json &slot : wanted["keyslots"])
        if (!slot.is_string() || !document()["keyslots"].contains(slot.get<std::string>()))
            return base::fail(ErrorCode::Internal, "the token names a key slot that is not there");
    const auto present = tokens_.find(id);
    if (present != tokens_.end() && present->second == wanted) return {};

    const auto before = tokens_;
    tokens_[id] = std::move(wanted);
    const bool enough = fits();
    auto after = std::exchange(tokens_, before);
    if (!enough) return base::fail(ErrorCode::NoSpace, "the metadata is full");
    VC_TRY(reachWritePoint());
    tokens_ = std::move(after);
    return {};
}

base::Status FakeHeaderStore::removeToken(unsigned id) {
    if (id >= model::kSlotCount) return base::fail(ErrorCode::Internal, "this is no token");
    if (!tokens_.contains(id)) return {};
    VC_TRY(reachWritePoint());
    tokens_.erase(id);
    return {};
}

base::Result<std::string> FakeHeaderStore::slotDigest(unsigned slot) {
    const auto found = slots_.find(slot);
    if (found == slots_.end())
        return failSlot(ErrorCode::NotFound, slot, slotName(slot) + " is empty");
    const std::string area =
        found->second.ruined ? "ruined" : std::to_string(found->second.generation);
    return crypto::sha256(slotJson(found->second).dump() + area);
}

}  // namespace volumecrypt::test
