// SPDX-License-Identifier: Apache-2.0
// Field offsets of the LUKS2 on-disk format, and its checksum.
#include "support/header_editor.h"

#include <cstdlib>
#include <utility>

#include "crypto/digest.h"
#include "support/luks_image.h"

namespace volumecrypt::test {
namespace {

constexpr std::size_t kBinarySize = 4096;
constexpr std::size_t kSequenceOffset = 16;
constexpr std::size_t kChecksumOffset = 448;
constexpr std::size_t kChecksumSize = 64;

std::uint64_t bigEndian(const std::string &bytes, std::size_t offset) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < 8; ++i)
        value = value << 8U | static_cast<unsigned char>(bytes[offset + i]);
    return value;
}

std::string bigEndian(std::uint64_t value) {
    std::string bytes(8, '\0');
    for (std::size_t i = 8; i-- > 0; value >>= 8U) bytes[i] = static_cast<char>(value & 0xffU);
    return bytes;
}

std::string jsonText(const std::string &bytes) {
    return {bytes.c_str() + kBinarySize};
}

}  // namespace

HeaderEditor::HeaderEditor(std::string path)
    : path_(std::move(path)), size_(bigEndian(bytesOfFile(path_), 8)) {}

std::string HeaderEditor::read(HeaderCopyOf which) const {
    return bytesOfFile(path_).substr(which == HeaderCopyOf::Primary ? 0 : size_, size_);
}

void HeaderEditor::write(HeaderCopyOf which, std::string bytes) const {
    bytes.replace(kChecksumOffset, kChecksumSize, kChecksumSize, '\0');
    const auto checksum = crypto::sha256(bytes);
    if (bytes.size() != size_) std::abort();
    bytes.replace(kChecksumOffset, checksum.size(), checksum);
    overwrite(path_, which == HeaderCopyOf::Primary ? 0 : size_, bytes);
}

void HeaderEditor::writeText(HeaderCopyOf which, const std::string &text) const {
    std::string bytes = read(which).substr(0, kBinarySize) + text;
    bytes.resize(size_, '\0');
    write(which, bytes);
}

nlohmann::json HeaderEditor::json() const {
    return nlohmann::json::parse(jsonText(read(HeaderCopyOf::Primary)));
}

void HeaderEditor::change(const std::function<void(nlohmann::json &)> &edit) const {
    changeOne(HeaderCopyOf::Primary, edit);
    changeOne(HeaderCopyOf::Secondary, edit);
}

void HeaderEditor::changeOne(HeaderCopyOf which,
                             const std::function<void(nlohmann::json &)> &edit) const {
    nlohmann::json document = nlohmann::json::parse(jsonText(read(which)));
    edit(document);
    writeText(which, document.dump());
}

void HeaderEditor::setJsonText(const std::string &text) const {
    writeText(HeaderCopyOf::Primary, text);
    writeText(HeaderCopyOf::Secondary, text);
}

void HeaderEditor::patch(HeaderCopyOf which, std::size_t offset, const std::string &bytes) const {
    std::string all = read(which);
    write(which, all.replace(offset, bytes.size(), bytes));
}

void HeaderEditor::setSequence(HeaderCopyOf which, std::uint64_t sequence) const {
    patch(which, kSequenceOffset, bigEndian(sequence));
}

std::uint64_t HeaderEditor::sequence(HeaderCopyOf which) const {
    return bigEndian(read(which), kSequenceOffset);
}

void HeaderEditor::damage(HeaderCopyOf which) const {
    std::string all = read(which);
    all[kBinarySize + 1] = static_cast<char>(all[kBinarySize + 1] ^ 1);
    overwrite(path_, which == HeaderCopyOf::Primary ? 0 : size_, all);
}

}  // namespace volumecrypt::test
