// SPDX-License-Identifier: Apache-2.0
// A table of errors: each row spoils something, runs the engine, and says with which error it has
// to refuse. Whatever the row, the device stays as it was, bit for bit.
#pragma once

#include <functional>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include <gmock/gmock.h>

#include "support/volume_fixture.h"

namespace volumecrypt::test {

class ErrorMatrix;

struct ErrorCase {
    std::string name;
    std::function<void(ErrorMatrix &)> prepare;
    std::string verb;
    std::string code;
    // The whole message. IMAGE, CONFIG and ROOT stand for the paths.
    ::testing::Matcher<std::string> message;
    std::string hint = {};  // the whole hint
    std::vector<std::string> arguments = {};
    std::optional<std::string> secret = {};
    std::optional<unsigned> slot = {};
    bool retry = false;
    std::vector<std::string> wrapper = {};  // a command that runs the engine
};

inline void PrintTo(const ErrorCase &row, std::ostream *out) {
    *out << row.name;
}

class ErrorMatrix : public VolumeFixture {
  public:
    using VolumeFixture::configDir_;
    using VolumeFixture::cryptsetup;
    using VolumeFixture::declare;
    using VolumeFixture::directory_;
    using VolumeFixture::engine;
    using VolumeFixture::image_;
    using VolumeFixture::imageBytes;
    using VolumeFixture::makeImage;
    using VolumeFixture::root_;
    using VolumeFixture::writeConfig;

    // A header of cryptsetup's with cheap slots, `passphrase` in `slot`.
    void luksFormat(const std::string &passphrase, unsigned slot = 0,
                    const std::vector<std::string> &more = {});
    void luksAddKey(const std::string &passphrase, const std::string &added, unsigned slot);
    // Our own header with the declared keys.
    void formatted(const std::string &keys, const std::string &encryptionExtra = "");
    void overwriteImage(std::uint64_t offset, const std::string &bytes);

  protected:
    // Runs the row: JSON line, exit status, text for people, and the disk.
    void check(const ErrorCase &row);

  private:
    [[nodiscard]] std::string readable(std::string text) const;
    [[nodiscard]] ProcessResult run(const ErrorCase &row, const std::string &output) const;
    void checkJson(const ErrorCase &row, const ProcessResult &result) const;
    void checkText(const ErrorCase &row, const ProcessResult &result) const;
};

inline std::string nameOfCase(const testing::TestParamInfo<ErrorCase> &info) {
    return info.param.name;
}

}  // namespace volumecrypt::test
