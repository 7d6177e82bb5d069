// SPDX-License-Identifier: Apache-2.0
// Running the engine and cryptsetup on a file.
#include "support/volume_fixture.h"

#include <filesystem>
#include <fstream>
#include <sstream>

#include <unistd.h>

#include "base/files.h"

namespace volumecrypt::test {

std::vector<std::string> EngineResult::steps() const {
    std::vector<std::string> list;
    for (const auto &line : lines)
        if (line.at("type") == "step" && line.at("action") != "keep")
            list.push_back(line.at("action").get<std::string>() + " " +
                           std::to_string(line.at("slot").get<int>()));
    return list;
}

std::string EngineResult::code() const {
    return lines.empty() || last().at("type") != "error" ? ""
                                                         : last().at("code").get<std::string>();
}

VolumeFixture::VolumeFixture()
    : image_(directory_.path() + "/image"),
      configDir_(directory_.path() + "/config"),
      root_(directory_.path() + "/root") {
    std::filesystem::create_directories(configDir_);
    EXPECT_TRUE(base::writeFileAtomically(root_ + "/sys/class/dmi/id/product_uuid",
                                          std::string(kUuid) + "\n", 0400));
}

void VolumeFixture::writeConfig(const std::string &yaml) {
    ASSERT_TRUE(base::writeFileAtomically(configDir_ + "/volumes.yaml", yaml, 0600));
}

void VolumeFixture::declare(const std::string &keys, const std::string &encryptionExtra) {
    std::string yaml =
        "apiVersion: v1alpha1\nkind: UserVolumeConfig\nname: data\nvolume: {device: " + image_ +
        "}\nfilesystem: {type: ext4}\nencryption:\n  provider: luks2\n";
    if (!encryptionExtra.empty()) yaml += "  " + encryptionExtra + "\n";
    yaml += "  keys:\n";
    std::istringstream lines(keys);
    for (std::string line; std::getline(lines, line);) yaml += "    " + line + "\n";
    writeConfig(yaml);
}

void VolumeFixture::makeImage(std::uint64_t size) {
    std::ofstream(image_, std::ios::trunc).close();
    std::filesystem::resize_file(image_, size);
}

EngineResult VolumeFixture::engine(const std::string &verb, std::vector<std::string> more,
                                   std::optional<std::string> secret, const std::string &id) const {
    Process process{.argv = {VOLUMECRYPT_ENGINE, verb, id, "--root", root_, "--config-dir",
                             configDir_, "--output", "json", "--test-kdf"},
                    .input = {},
                    .secret = secret,
                    .environment = environment_};
    if (secret) {
        process.argv.emplace_back("--secret-fd");
        process.argv.emplace_back("3");
    }
    process.argv.insert(process.argv.end(), more.begin(), more.end());
    const ProcessResult run = process.run();
    EngineResult result{.exitCode = run.exitCode, .lines = {}, .err = run.err};
    std::istringstream lines(run.out);
    for (std::string line; std::getline(lines, line);)
        result.lines.push_back(nlohmann::json::parse(line));
    return result;
}

ProcessResult VolumeFixture::cryptsetup(std::vector<std::string> arguments,
                                        const std::string &input) const {
    arguments.insert(arguments.begin(), {"cryptsetup", "--batch-mode"});
    return Process{.argv = std::move(arguments), .input = input, .secret = {}}.run();
}

int VolumeFixture::cryptsetupOpens(unsigned slot, const std::string &passphrase) const {
    return cryptsetup({"open", "--test-passphrase", "--key-slot", std::to_string(slot),
                       "--key-file", "-", image_},
                      passphrase)
        .exitCode;
}

std::string VolumeFixture::dump() const {
    return cryptsetup({"luksDump", image_}).out;
}

std::string VolumeFixture::imageBytes() const {
    auto content = base::readFile(image_, std::size_t{256} << 20);
    return content ? *content : "";
}

}  // namespace volumecrypt::test
