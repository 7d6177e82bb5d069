// SPDX-License-Identifier: Apache-2.0
// Makes LUKS2 headers that no tool would make: changes JSON and binary fields and sets the
// checksums right again.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include <nlohmann/json.hpp>

namespace volumecrypt::test {

enum class HeaderCopyOf { Primary, Secondary };

// Works on a file with a whole header, at once.
class HeaderEditor {
  public:
    explicit HeaderEditor(std::string path);

    [[nodiscard]] nlohmann::json json() const;
    // In both copies.
    void change(const std::function<void(nlohmann::json &)> &edit) const;
    // In one copy only.
    void changeOne(HeaderCopyOf which, const std::function<void(nlohmann::json &)> &edit) const;
    void setJsonText(const std::string &text) const;
    // Bytes of the binary header, in one copy.
    void patch(HeaderCopyOf which, std::size_t offset, const std::string &bytes) const;
    void setSequence(HeaderCopyOf which, std::uint64_t sequence) const;
    [[nodiscard]] std::uint64_t sequence(HeaderCopyOf which) const;
    // Flips a byte of the JSON area and leaves the checksum wrong.
    void damage(HeaderCopyOf which) const;
    [[nodiscard]] std::uint64_t copySize() const { return size_; }

  private:
    [[nodiscard]] std::string read(HeaderCopyOf which) const;
    void write(HeaderCopyOf which, std::string bytes) const;
    void writeText(HeaderCopyOf which, const std::string &text) const;

    std::string path_;
    std::uint64_t size_;
};

}  // namespace volumecrypt::test
