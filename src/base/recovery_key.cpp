// SPDX-License-Identifier: Apache-2.0
// Recovery keys in "modhex", as systemd-cryptenroll writes them: made, and read as people type
// them.
#include "base/recovery_key.h"

#include <cerrno>
#include <string_view>

#include <sys/random.h>

namespace volumecrypt::base {
namespace {

constexpr std::string_view kAlphabet = "cbdefghijklnrtuv";
constexpr std::size_t kLetters = kRecoveryKeyGroups * kRecoveryGroupLength;

// Puts the letters into their places, with dashes between the groups.
class Writer {
  public:
    void put(char letter) {
        if (count_ != 0 && count_ % kRecoveryGroupLength == 0) key_.chars()[at_++] = '-';
        key_.chars()[at_++] = letter;
        ++count_;
    }
    [[nodiscard]] bool full() const { return count_ == kLetters; }
    SecretBuffer take() { return std::move(key_); }

  private:
    SecretBuffer key_ = SecretBuffer(kRecoveryKeyLength);
    std::size_t at_ = 0;
    std::size_t count_ = 0;
};

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool isSeparator(char c) {
    return c == '-' || c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

tl::unexpected<Error> noKey(const char *why) {
    return fail(ErrorCode::InvalidConfig, std::string("this is no recovery key: ") + why,
                "It has 8 groups of 8 letters, of c b d e f g h i j k l n r t u v only.");
}

}  // namespace

Result<SecretBuffer> makeRecoveryKey() {
    SecretBuffer random(kLetters / 2);
    if (::getrandom(random.chars(), random.size(), 0) != static_cast<ssize_t>(random.size()))
        return fail(errnoError("make random numbers", errno));
    Writer writer;
    for (const std::byte byte : random.bytes()) {
        writer.put(kAlphabet[std::to_integer<std::size_t>(byte >> 4U)]);
        writer.put(kAlphabet[std::to_integer<std::size_t>(byte & std::byte{15})]);
    }
    return writer.take();
}

Result<SecretBuffer> normalizeRecoveryKey(const SecretBuffer &typed) {
    Writer writer;
    for (const char c : std::string_view(typed.chars(), typed.size())) {
        if (isSeparator(c)) continue;
        if (kAlphabet.find(lower(c)) == std::string_view::npos)
            return noKey("there is a character in it that recovery keys do not have");
        if (writer.full()) return noKey("it is too long");
        writer.put(lower(c));
    }
    if (!writer.full()) return noKey("it is too short");
    return writer.take();
}

}  // namespace volumecrypt::base
