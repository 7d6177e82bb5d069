// SPDX-License-Identifier: Apache-2.0
// The end of a reencryption, as one change of the header's JSON.
#include <algorithm>
#include <array>
#include <cerrno>
#include <set>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <unistd.h>

#include "base/files.h"
#include "luks/header_read.h"
#include "luks/header_store.h"
#include "luks/header_validation.h"
#include "luks/metadata_write.h"
#include "luks/reencryption.h"

namespace volumecrypt::luks {
namespace {

using base::ErrorCode;
using nlohmann::json;

struct ByteRange {
    std::uint64_t offset = 0, size = 0;
};

base::Status overwrite(int fd, const ByteRange &range) {
    static constexpr std::array<std::byte, std::size_t{64} << 10> kZeros{};
    for (std::uint64_t at = 0; at < range.size; at += kZeros.size()) {
        const auto length = std::min<std::uint64_t>(kZeros.size(), range.size - at);
        VC_TRY(base::writeExactly(fd, std::span(kZeros).first(length), range.offset + at));
    }
    if (::fsync(fd) < 0) return base::fail(base::errnoError("write to the disk", errno));
    return {};
}

// The key slots that open no data any more.
std::set<unsigned> oldSlots(const model::HeaderView &view) {
    std::set<unsigned> old;
    for (const auto &[number, slot] : view.slots) old.insert(number);
    for (const model::DigestView &digest : view.digests)
        if (digest.number == view.reencryption->newDigest)
            for (const unsigned slot : digest.slots) old.erase(slot);
    return old;
}

std::vector<ByteRange> remains(const model::HeaderView &view) {
    std::vector<ByteRange> ranges;
    const model::Reencryption &reencryption = *view.reencryption;
    // What was encrypted in place lies there in the clear.
    if (reencryption.moved && reencryption.mode == model::ReencryptionMode::Encrypt)
        ranges.push_back({reencryption.moved->offset, std::stoull(reencryption.moved->size)});
    for (const unsigned slot : oldSlots(view))
        ranges.push_back({view.slots.at(slot).areaOffset, view.slots.at(slot).areaSize});
    return ranges;
}

// In the arrays of slot numbers of tokens and digests.
template <typename Change>
void changeNumbers(json &document, const char *where, const Change &change) {
    for (auto &[number, holder] : document[where].items()) {
        json changed = json::array();
        for (const json &slot : holder["keyslots"])
            if (const std::string text = change(slot.get<std::string>()); !text.empty())
                changed.push_back(text);
        holder["keyslots"] = std::move(changed);
    }
}

// As libcryptsetup does it at the end.
void dropOld(json &document, const model::HeaderView &view) {
    const model::Reencryption &reencryption = *view.reencryption;
    json data = document["segments"][std::to_string(reencryption.live.front().number)];
    data.erase("flags");
    document["segments"] = json{{"0", std::move(data)}};
    for (const model::DigestView &digest : view.digests) {
        const std::string number = std::to_string(digest.number);
        if (digest.number == reencryption.newDigest)
            document["digests"][number]["segments"] = json::array({"0"});
        else
            document["digests"].erase(number);
    }
    const std::set<unsigned> old = oldSlots(view);
    for (const unsigned slot : old) document["keyslots"].erase(std::to_string(slot));
    changeNumbers(document, "tokens", [&](const std::string &slot) {
        return old.contains(static_cast<unsigned>(std::stoul(slot))) ? std::string() : slot;
    });
    json &config = document["config"];
    json kept = json::array();
    for (const json &requirement : config["requirements"]["mandatory"])
        if (!requirement.get<std::string>().starts_with("online-reencrypt"))
            kept.push_back(requirement);
    if (kept.empty())
        config.erase("requirements");
    else
        config["requirements"]["mandatory"] = std::move(kept);
}

base::Status move(json &document, const std::map<unsigned, unsigned> &moves) {
    json &slots = document["keyslots"];
    std::map<std::string, json> taken;
    for (const auto &[from, to] : moves) {
        const auto found = slots.find(std::to_string(from));
        if (found == slots.end())
            return failSlot(ErrorCode::Internal, from, slotName(from) + " is not there");
        taken.emplace(std::to_string(to), *found);
        slots.erase(found);
    }
    for (auto &[to, slot] : taken) {
        if (slots.contains(to))
            return base::fail(ErrorCode::Internal, "key slot " + to + " is taken");
        slots[to] = std::move(slot);
    }
    const auto moved = [&](const std::string &slot) {
        const auto at = moves.find(static_cast<unsigned>(std::stoul(slot)));
        return at == moves.end() ? slot : std::to_string(at->second);
    };
    changeNumbers(document, "digests", moved);
    changeNumbers(document, "tokens", moved);
    return {};
}

}  // namespace

base::Status finishReencryption(const std::string &path, const FinalHeader &last) {
    VC_ASSIGN(const DeviceHeader header, readDeviceHeader(path));
    const model::HeaderView &view = header.view;
    VC_TRY(validateHeaderInFlight(view));
    if (view.reencryption && view.reencryption->phase != model::ReencryptionPhase::DataDone)
        return base::fail(ErrorCode::HeaderRefused,
                          "the reencryption of " + path + " has not come to its end");
    const auto edit = [&](json &document) -> base::Status {
        if (document != *header.metadata.current().document)
            return base::fail(base::Error(ErrorCode::Busy,
                                          "the header of " + path +
                                              " was changed by somebody else at "
                                              "the same time",
                                          "Try again when the other program is done.")
                                  .withRetry());
        if (view.reencryption) dropOld(document, view);
        VC_TRY(move(document, last.moves));
        if (last.token)
            document["tokens"][std::to_string(*last.token)] =
                json::parse(last.tokenJson, nullptr, false);
        return {};
    };
    return rewriteHeader(path, edit, [&](int fd) -> base::Status {
        if (!view.reencryption) return {};
        for (const ByteRange &range : remains(view)) VC_TRY(overwrite(fd, range));
        return {};
    });
}

}  // namespace volumecrypt::luks
