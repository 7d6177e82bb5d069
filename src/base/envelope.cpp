// SPDX-License-Identifier: Apache-2.0
// Encoding and decoding of messages between our programs.
#include "base/envelope.h"

#include <algorithm>
#include <charconv>
#include <string_view>

#include "base/text.h"

namespace volumecrypt::base {
namespace {

constexpr std::string_view kData = "data";

bool isName(std::string_view name) {
    return !name.empty() && name != kData &&
           std::ranges::all_of(name, [](char c) { return (c >= 'a' && c <= 'z') || c == '-'; });
}

bool isValue(std::string_view value) {
    return std::ranges::none_of(value, isControlByte);
}

auto malformed(const std::string &what) {
    return fail(ErrorCode::Internal, "malformed message between VolumeCrypt's programs: " + what);
}

}  // namespace

Result<SecretBuffer> Envelope::encode() const {
    std::string head;
    for (const auto &[name, value] : fields) {
        if (!isName(name) || !isValue(value)) return malformed("field " + printableText(name, 40));
        head.append(name).append(" ").append(value).append("\n");
    }
    head += std::string(kData) + " " + std::to_string(data.size()) + "\n";
    return SecretBuffer::copyOf(head).appended(data.bytes());
}

Result<Envelope> Envelope::decode(const SecretBuffer &bytes) {
    const std::string_view text(bytes.chars(), bytes.size());
    Envelope envelope;
    for (std::size_t start = 0;;) {
        const std::size_t end = text.find('\n', start);
        if (end == std::string_view::npos) return malformed("it ends within its head");
        const std::string_view line = text.substr(start, end - start);
        start = end + 1;
        const std::size_t space = line.find(' ');
        if (space == std::string_view::npos) return malformed("a line without a value");
        const std::string_view name = line.substr(0, space);
        const std::string_view value = line.substr(space + 1);
        if (name == kData) {
            std::size_t length = 0;
            const auto [rest, error] =
                std::from_chars(value.data(), value.data() + value.size(), length);
            if (error != std::errc() || rest != value.data() + value.size() ||
                length != text.size() - start)
                return malformed("its data is not as long as it says");
            envelope.data = SecretBuffer::copyOf(text.substr(start));
            return envelope;
        }
        if (!isName(name) || !isValue(value) ||
            !envelope.fields.emplace(std::string(name), std::string(value)).second)
            return malformed("a line that is no field");
    }
}

std::string Envelope::field(const std::string &name) const {
    const auto found = fields.find(name);
    return found == fields.end() ? std::string() : found->second;
}

}  // namespace volumecrypt::base
