// SPDX-License-Identifier: Apache-2.0
// Reads the binary header by the offsets of the LUKS2 on-disk format, version 1.1.1.
#include "support/talos_rules.h"

#include <set>
#include <string_view>

namespace volumecrypt::test {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kBinaryHeader = 4096;
const std::set<std::string> kCiphers{"aes-xts-plain64", "xchacha12,aes-adiantum-plain64",
                                     "xchacha20,aes-adiantum-plain64"};

std::uint64_t number(const std::string &image, std::size_t at, std::size_t size) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < size; ++i)
        value = value << 8U | static_cast<unsigned char>(image.at(at + i));
    return value;
}

struct Header {
    std::string magic;
    unsigned version;
    std::uint64_t size, sequence;
    std::string metadata;
};

Header headerAt(const std::string &image, std::size_t offset) {
    Header header{.magic = image.substr(offset, 6),
                  .version = static_cast<unsigned>(number(image, offset + 6, 2)),
                  .size = number(image, offset + 8, 8),
                  .sequence = number(image, offset + 16, 8),
                  .metadata = {}};
    const std::string area = image.substr(offset + kBinaryHeader, header.size - kBinaryHeader);
    header.metadata = area.substr(0, area.find('\0'));
    return header;
}

void checkSlots(const Json &metadata, std::vector<std::string> &objections) {
    const Json &slots = metadata.at("keyslots");
    if (slots.empty()) objections.emplace_back("no keyslots found");
    for (const auto &[name, slot] : slots.items()) {
        const std::string prefix = "keyslot " + name + ": ";
        if (slot.at("type") != "luks2") objections.push_back(prefix + "type");
        if (!kCiphers.contains(slot.at("area").at("encryption")))
            objections.push_back(prefix + "area encryption");
        const std::string kdf = slot.at("kdf").at("type");
        // argon2i since go-blockdevice 2.0.30 only.
        if (kdf != "argon2id" && kdf != "argon2i") objections.push_back(prefix + "kdf");
    }
}

void checkSegments(const Json &metadata, std::vector<std::string> &objections) {
    const Json &segments = metadata.at("segments");
    if (segments.size() != 1 || !segments.contains("0")) {
        objections.emplace_back("segments");
        return;
    }
    const Json &segment = segments.at("0");
    if (segment.at("type") != "crypt") objections.emplace_back("segment type");
    if (!kCiphers.contains(segment.value("encryption", "")))
        objections.emplace_back("segment encryption");
    if (segment.contains("flags") && !segment.at("flags").empty())
        objections.emplace_back("segment flags");
}

}  // namespace

std::vector<std::string> talosObjections(unsigned version, const Json &metadata) {
    std::vector<std::string> objections;
    if (version != 2) objections.emplace_back("version");
    checkSlots(metadata, objections);
    checkSegments(metadata, objections);
    return objections;
}

std::vector<std::string> talosObjections(const std::string &image) {
    const Header first = headerAt(image, 0);
    if (first.magic != std::string_view("LUKS\xba\xbe", 6)) return {"magic"};
    const Header second = headerAt(image, first.size);
    std::vector<std::string> objections;
    if (first.sequence == second.sequence && first.metadata != second.metadata)
        objections.emplace_back("same seqid but different JSON areas");
    const Header &used = second.sequence > first.sequence ? second : first;
    for (auto &objection : talosObjections(used.version, Json::parse(used.metadata)))
        objections.push_back(std::move(objection));
    return objections;
}

Json metadataOf(const std::string &image) {
    return Json::parse(headerAt(image, 0).metadata);
}

}  // namespace volumecrypt::test
