// SPDX-License-Identifier: Apache-2.0
// A volume on a plain file, the real engine, and a real TPM (swtpm) without a resource manager.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include <gmock/gmock.h>

#include "support/swtpm.h"
#include "support/volume_fixture.h"

namespace volumecrypt::test {

using Steps = std::vector<std::string>;

inline constexpr const char *kTpmAndStatic =
    "- {slot: 0, tpm: {}}\n- {slot: 1, static: {passphrase: other}}";

class EngineTpmTest : public VolumeFixture {
  protected:
    void SetUp() override { makeImage(); }
    void TearDown() override { EXPECT_EQ(tpm_.leftovers(), ""); }

    EngineResult run(const std::string &verb, std::vector<std::string> more = {},
                     std::optional<std::string> secret = {}) const {
        more.insert(more.end(), {"--tcti", tpm_.tcti()});
        return engine(verb, std::move(more), std::move(secret));
    }
    void formatted(const std::string &keys = kTpmAndStatic, const std::string &extra = "") {
        declare(keys, extra);
        const EngineResult result = run("format");
        ASSERT_EQ(result.exitCode, 0) << result.last().dump();
    }
    nlohmann::json header() const {
        return nlohmann::json::parse(cryptsetup({"luksDump", "--dump-json-metadata", image_}).out);
    }
    // id -> token, without our record.
    std::map<std::string, nlohmann::json> tokens() const {
        std::map<std::string, nlohmann::json> found;
        const nlohmann::json json = header();
        for (const auto &[id, token] : json.at("tokens").items())
            if (token.at("type") != "volumecrypt") found[id] = token;
        return found;
    }
    // The slot whose key opened the volume, or the error.
    std::string openedBy(const EngineResult &result) const {
        return result.last().value("unlockedBySlot", nlohmann::json(result.code())).dump();
    }
    std::string reasonOf(const EngineResult &result, unsigned slot) const {
        for (const auto &line : result.lines)
            if (line.at("type") == "step" && line.at("slot") == slot)
                return line.at("reason").get<std::string>();
        return "";
    }

    Swtpm tpm_;
};

}  // namespace volumecrypt::test
