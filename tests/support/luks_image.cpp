// SPDX-License-Identifier: Apache-2.0
// The cryptsetup command line as a referee.
#include "support/luks_image.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <utility>

namespace volumecrypt::test {
namespace {

const std::vector<std::string> kCheapSlots{
    "--pbkdf",          "argon2id", "--pbkdf-memory",           "32",
    "--pbkdf-parallel", "1",        "--pbkdf-force-iterations", "4"};

}  // namespace

std::string bytesOfFile(const std::string &path) {
    std::string bytes(std::filesystem::file_size(path), '\0');
    std::ifstream file(path, std::ios::binary);
    if (!file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()))) std::abort();
    return bytes;
}

void overwrite(const std::string &path, std::uint64_t offset, const std::string &bytes) {
    std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(static_cast<std::streamoff>(offset));
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    if (!file.flush()) std::abort();
}

LuksImage::LuksImage(std::uint64_t size) : path_(directory_.path() + "/image") {
    std::ofstream(path_).close();
    std::filesystem::resize_file(path_, size);
}

CommandOutcome LuksImage::cryptsetup(std::vector<std::string> arguments,
                                     const std::string &input) const {
    arguments.insert(arguments.begin(), {"cryptsetup", "--batch-mode"});
    arguments.push_back(path_);
    return runCommand(arguments, input);
}

void LuksImage::formatByCryptsetup(const std::string &passphrase,
                                   const std::vector<std::string> &arguments) const {
    std::vector<std::string> all{"luksFormat", "--type", "luks2", "--key-file", "-"};
    if (std::ranges::find(arguments, "--pbkdf") == arguments.end())
        all.insert(all.end(), kCheapSlots.begin(), kCheapSlots.end());
    all.insert(all.end(), arguments.begin(), arguments.end());
    const CommandOutcome outcome = cryptsetup(all, passphrase);
    if (outcome.exitCode == 0) return;
    std::cerr << outcome.output;
    std::abort();
}

bool LuksImage::opensByCryptsetup(unsigned slot, const std::string &passphrase) const {
    const CommandOutcome outcome = cryptsetup(
        {"open", "--test-passphrase", "--key-slot", std::to_string(slot), "--key-file", "-"},
        passphrase);
    return outcome.exitCode == 0;
}

}  // namespace volumecrypt::test
