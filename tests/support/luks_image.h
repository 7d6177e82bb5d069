// SPDX-License-Identifier: Apache-2.0
// Plain files with LUKS2 headers: made by us or by the distribution's cryptsetup, and looked at by
// it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/secret_buffer.h"
#include "support/command.h"
#include "support/temp_dir.h"

namespace volumecrypt::test {

inline constexpr std::uint64_t kImageSize = std::uint64_t{20} << 20;

inline base::SecretBuffer secret(std::string_view text) {
    return base::SecretBuffer::copyOf(text);
}

// The whole file. Files here are small.
std::string bytesOfFile(const std::string &path);
void overwrite(const std::string &path, std::uint64_t offset, const std::string &bytes);

class LuksImage {
  public:
    // A file of zeros.
    explicit LuksImage(std::uint64_t size = kImageSize);

    [[nodiscard]] const std::string &path() const { return path_; }
    [[nodiscard]] std::string bytes() const { return bytesOfFile(path_); }

    // `cryptsetup VERB... FILE`, with cheap key slots for the verbs that make one.
    [[nodiscard]] CommandOutcome cryptsetup(std::vector<std::string> arguments,
                                            const std::string &input = {}) const;
    // luksFormat with `passphrase` in slot 0 and further arguments. Aborts when it fails.
    void formatByCryptsetup(const std::string &passphrase,
                            const std::vector<std::string> &arguments = {}) const;
    // Whether cryptsetup opens the slot with exactly these bytes.
    [[nodiscard]] bool opensByCryptsetup(unsigned slot, const std::string &passphrase) const;

  private:
    TempDir directory_;
    std::string path_;
};

}  // namespace volumecrypt::test
