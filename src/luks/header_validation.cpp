// SPDX-License-Identifier: Apache-2.0
// The lists of what is known, and the limits of what this machine is asked for.
#include "luks/header_validation.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "luks/header_store.h"
#include "model/volume_spec.h"

namespace volumecrypt::luks {
namespace {

using base::ErrorCode;
using namespace std::string_view_literals;

constexpr std::array kKnownFlags{"allow-discards"sv, "same-cpu-crypt"sv, "submit-from-crypt-cpus"sv,
                                 "no-read-workqueue"sv, "no-write-workqueue"sv};
constexpr std::array kKnownKdfs{"argon2id"sv, "argon2i"sv, "pbkdf2"sv};
// Generous: what a machine of today does in a minute, on one core.
constexpr std::uint64_t kPbkdf2PerMinute = 120'000'000;
constexpr std::uint64_t kArgon2KiBPerMinute = std::uint64_t{60} << 20;
constexpr unsigned kMostLanes = 16;

constexpr std::size_t kUuidLength = 36;

template <typename List>
bool contains(const List &list, std::string_view text) {
    return std::ranges::find(list, text) != list.end();
}

tl::unexpected<base::Error> refuse(const std::string &what) {
    return base::fail(
        ErrorCode::HeaderRefused, what,
        "The header may have been tampered with. Look at it with `cryptsetup luksDump "
        "DEVICE`; if it is not yours, restore it from a backup: `cryptsetup "
        "luksHeaderRestore DEVICE --header-backup-file FILE`.");
}

base::Status refuseFlags(const model::HeaderView &view) {
    for (const std::string &flag : view.flags)
        if (!contains(kKnownFlags, flag))
            return refuse("the header has the flag \"" + flag + "\", which is not known");
    return {};
}

base::Status refuseRequirements(const model::HeaderView &view) {
    if (view.isReencrypting())
        return base::fail(ErrorCode::HeaderRefused,
                          "a reencryption of this volume, which cryptsetup or another program "
                          "began, is unfinished",
                          "Let that program finish it, or go on with `cryptsetup reencrypt "
                          "--resume-only DEVICE`.");
    for (const std::string &requirement : view.requirements)
        return refuse("the header has the requirement \"" + requirement + "\", which is not known");
    return refuseFlags(view);
}

base::Status validateEncryption(const model::HeaderView &view, const model::SegmentView &segment) {
    if (segment.integrity) return refuse("the data segment has integrity protection");
    const model::Cipher *cipher = model::findCipher(segment.cipher);
    if (cipher == nullptr)
        return refuse("the data is encrypted with \"" + segment.cipher +
                      "\", which is not one of " + model::cipherNames());
    if (view.volumeKeyBits != 0 && !cipher->allows(view.volumeKeyBits))
        return refuse("the volume key has " + std::to_string(view.volumeKeyBits) +
                      " bits, which is wrong for " + segment.cipher);
    const unsigned sector = segment.sectorSize;
    if (sector < 512 || sector > 4096 || (sector & (sector - 1)) != 0)
        return refuse("the data segment has sectors of " + std::to_string(sector) + " bytes");
    return {};
}

base::Status validateSegment(const model::HeaderView &view) {
    if (view.segments.size() != 1)
        return refuse("the header has " + std::to_string(view.segments.size()) +
                      " data segments instead of one");
    const model::SegmentView &segment = view.segments.front();
    if (segment.type != "crypt")
        return refuse("the data segment is of type \"" + segment.type + "\" instead of crypt");
    if (!segment.flags.empty())
        return refuse("the data segment has the flag \"" + segment.flags.front() + "\"");
    VC_TRY(validateEncryption(view, segment));
    if (segment.offset < 2 * view.metadataSize + view.keyslotsSize)
        return refuse("the data segment begins inside the header");
    return {};
}

// A part of the data is read as before or as it will be, and in no third way.
base::Status validatePart(const model::Reencryption &reencryption,
                          const model::SegmentView &segment) {
    const auto isLike = [&](const model::SegmentView &whole) {
        if (whole.type != segment.type) return false;
        return segment.type == "linear" ||
               (whole.cipher == segment.cipher && whole.sectorSize == segment.sectorSize);
    };
    if (!segment.integrity && (isLike(reencryption.previous) || isLike(reencryption.final)))
        return {};
    return refuse("data segment " + std::to_string(segment.number) +
                  " is neither as the data was nor as it will be");
}

base::Status validateParts(const model::HeaderView &view) {
    const model::Reencryption &reencryption = *view.reencryption;
    for (const model::SegmentView *whole : {&reencryption.previous, &reencryption.final})
        if (whole->type == "crypt") VC_TRY(validateEncryption(view, *whole));
    for (const model::SegmentView &segment : view.segments)
        VC_TRY(validatePart(reencryption, segment));
    if (reencryption.mode != model::ReencryptionMode::Reencrypt) return {};
    // A new volume key moves nothing.
    std::uint64_t at = reencryption.final.offset;
    if (reencryption.previous.offset != at || reencryption.moved || reencryption.dataShift != 0 ||
        at < 2 * view.metadataSize + view.keyslotsSize)
        return refuse("the reencryption moves the data, or has it begin inside the header");
    for (const model::SegmentView &segment : reencryption.live) {
        const bool last = &segment == &reencryption.live.back();
        const std::uint64_t number = (segment.offset - reencryption.final.offset) / 512;
        if (segment.offset != at || segment.ivTweak != reencryption.final.ivTweak + number)
            return refuse("data segment " + std::to_string(segment.number) +
                          " is not where the one before it ends");
        if (!last && segment.size != "dynamic") at += std::stoull(segment.size);
    }
    return {};
}

base::Status validateRequirementsInFlight(const model::HeaderView &view) {
    constexpr std::array kKnown{"online-reencrypt-v2"sv, "online-reencrypt-v3"sv};
    for (const std::string &requirement : view.requirements)
        if (!contains(kKnown, requirement))
            return refuse("the header has the requirement \"" + requirement +
                          "\", which is not known");
    return refuseFlags(view);
}

base::Status validateSlot(const model::SlotView &slot) {
    const std::string name = slotName(slot.number);
    if (slot.type != "luks2") return refuse(name + " is of the unknown type \"" + slot.type + "\"");
    const model::Cipher *cipher = model::findCipher(slot.areaCipher);
    if (cipher == nullptr)
        return refuse(name + " is encrypted with \"" + slot.areaCipher +
                      "\", which is not one of " + model::cipherNames());
    if (!cipher->allows(slot.areaKeyBits))
        return refuse(name + " is encrypted with a key of " + std::to_string(slot.areaKeyBits) +
                      " bits, which is wrong for " + slot.areaCipher);
    if (!contains(kKnownKdfs, slot.kdf.type))
        return refuse(name + " uses the unknown KDF \"" + slot.kdf.type + "\"");
    return {};
}

base::Status validateDigests(const model::HeaderView &view) {
    for (const model::DigestView &digest : view.digests) {
        if (digest.type != "pbkdf2")
            return refuse("a key digest is of the unknown type \"" + digest.type + "\"");
        if (digest.iterations > kPbkdf2PerMinute)
            return refuse("a key digest asks for " + std::to_string(digest.iterations) +
                          " iterations");
    }
    return {};
}

base::Status validateBinary(const model::HeaderView &view) {
    if (view.version != 2)
        return refuse("the header has the version " + std::to_string(view.version));
    const bool uuidIsPlain =
        view.uuid.size() == kUuidLength &&
        view.uuid.find_first_not_of("0123456789abcdefABCDEF-") == std::string::npos;
    if (!uuidIsPlain) return refuse("the header's UUID \"" + view.uuid + "\" is none");
    return {};
}

// All of them, but the one that a reencryption keeps its state in.
base::Status validateSlots(const model::HeaderView &view) {
    for (const auto &[number, slot] : view.slots) {
        if (view.reencryption && view.reencryption->slot == number) continue;
        auto status = validateSlot(slot);
        if (!status) return base::fail(std::move(status).error().withSlot(number));
    }
    return {};
}

}  // namespace

base::Status validateHeader(const model::HeaderView &view) {
    VC_TRY(validateBinary(view));
    VC_TRY(refuseRequirements(view));
    VC_TRY(validateSlots(view));
    VC_TRY(validateSegment(view));
    return validateDigests(view);
}

base::Status validateHeaderInFlight(const model::HeaderView &view) {
    if (!view.reencryption) return validateHeader(view);
    VC_TRY(validateBinary(view));
    VC_TRY(validateRequirementsInFlight(view));
    VC_TRY(validateSlots(view));
    VC_TRY(validateParts(view));
    return validateDigests(view);
}

base::Status validateKdfCost(const model::SlotView &slot, std::uint64_t ramKiB) {
    const model::KdfView &kdf = slot.kdf;
    const auto tooMuch = [&](const std::string &what) {
        return failSlot(ErrorCode::HeaderRefused, slot.number,
                        "the KDF of " + slotName(slot.number) + " asks for " + what,
                        "Change the slot on a machine that can run it, or use another key.");
    };
    if (kdf.type == "pbkdf2") {
        if (kdf.iterations > kPbkdf2PerMinute)
            return tooMuch(std::to_string(kdf.iterations) + " iterations, more than a minute");
        return {};
    }
    if (kdf.memoryKiB > ramKiB / 2)
        return tooMuch(std::to_string(kdf.memoryKiB) + " KiB of memory, more than half of the " +
                       std::to_string(ramKiB) + " KiB here");
    if (kdf.lanes > kMostLanes) return tooMuch(std::to_string(kdf.lanes) + " threads");
    // Both factors are below 2^31 (header_json), so that the product cannot overflow.
    if (kdf.iterations * kdf.memoryKiB > kArgon2KiBPerMinute)
        return tooMuch(std::to_string(kdf.iterations) + " passes over " +
                       std::to_string(kdf.memoryKiB) + " KiB, more than a minute");
    return {};
}

}  // namespace volumecrypt::luks
