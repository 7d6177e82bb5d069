// SPDX-License-Identifier: Apache-2.0
// A volume on a plain file, declared in a configuration directory of its own, worked on by the real
// engine and judged by the distribution's cryptsetup.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "support/process.h"
#include "support/temp_dir.h"

namespace volumecrypt::test {

struct EngineResult {
    int exitCode = -1;
    std::vector<nlohmann::json> lines;
    std::string err;

    // The last line: of type result or error.
    [[nodiscard]] const nlohmann::json &last() const { return lines.back(); }
    // "add 1", "replace 0": the steps other than keep.
    [[nodiscard]] std::vector<std::string> steps() const;
    [[nodiscard]] std::string code() const;  // of an error line; empty otherwise
};

class VolumeFixture : public testing::Test {
  protected:
    VolumeFixture();

    // A UserVolumeConfig `data` on the image; `keys` is YAML, one "- {…}" a line.
    void declare(const std::string &keys, const std::string &encryptionExtra = "");
    void writeConfig(const std::string &yaml);
    void makeImage(std::uint64_t size = std::uint64_t{40} << 20);

    EngineResult engine(const std::string &verb, std::vector<std::string> more = {},
                        std::optional<std::string> secret = {},
                        const std::string &id = "u-data") const;
    // Exit status of `cryptsetup open --test-passphrase --key-slot SLOT`.
    [[nodiscard]] int cryptsetupOpens(unsigned slot, const std::string &passphrase) const;
    [[nodiscard]] bool opens(unsigned slot, const std::string &passphrase) const {
        return cryptsetupOpens(slot, passphrase) == 0;
    }
    ProcessResult cryptsetup(std::vector<std::string> arguments,
                             const std::string &input = {}) const;
    [[nodiscard]] std::string dump() const;
    [[nodiscard]] std::string imageBytes() const;

    TempDir directory_;
    std::vector<std::string> environment_;  // of the engine, beside the test's own
    std::string image_;
    std::string configDir_;
    std::string root_;
    static constexpr const char *kUuid = "4c4c4544-0039-3010-8048-b7c04f384432";
    static constexpr const char *kNodeId = "4c4c4544-0039-3010-8048-b7c04f384432u-data";
};

}  // namespace volumecrypt::test
