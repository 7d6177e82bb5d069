// SPDX-License-Identifier: Apache-2.0
// Any bytes as a configuration file: no crash, bounded work, and what the loader promises of every
// result. LLVMFuzzerTestOneInput is libFuzzer's entry; replay.cpp calls it for a corpus elsewhere.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <variant>

#include "config/loader.h"

namespace {

namespace config = volumecrypt::config;
namespace model = volumecrypt::model;

void require(bool condition) {
    if (!condition) std::abort();
}

// A problem points into the text.
void checkProblem(const config::Problem &problem, std::size_t lines) {
    require(problem.position.file == "f" && !problem.message.empty());
    require(problem.position.line >= 1 && problem.position.line <= lines + 1);
    require(problem.position.column >= 1);
    // One line of text, fit for a terminal and a log.
    require(std::none_of(problem.message.begin(), problem.message.end(),
                         [](char c) { return static_cast<unsigned char>(c) < 0x20; }));
}

void checkKeys(const model::EncryptionSpec &encryption, bool dropped) {
    require(!encryption.keys.empty());
    for (std::size_t i = 0; i < encryption.keys.size(); ++i) {
        const model::KeySpec &key = encryption.keys[i];
        require(key.slot < model::kSlotCount);
        require(i == 0 || encryption.keys[i - 1].slot < key.slot);
        if (const auto *secret = std::get_if<model::StaticKey>(&key.parameters)) {
            const bool inlined = secret->passphraseFile.empty();
            require(secret->passphrase.empty() == (dropped || !inlined));
        }
    }
}

void checkVolumes(const config::Configuration &result, bool dropped) {
    for (std::size_t i = 0; i < result.volumes.size(); ++i) {
        const model::VolumeSpec &volume = result.volumes[i];
        require(i == 0 || result.volumes[i - 1].id < volume.id);
        require(volume.device.path.starts_with('/'));
        if (volume.mount) require(volume.mount->where.starts_with('/'));
        if (volume.encryption) checkKeys(*volume.encryption, dropped);
        // A volume with an error is left out.
        for (const config::Problem &problem : result.problems)
            require(problem.level == config::Level::Warning || problem.volume != volume.id.text());
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    const std::string text(data, data + size);
    const auto lines = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')) + 1;
    const config::Configuration kept = config::parse(text, "f", config::Secrets::Keep);
    const config::Configuration dropped = config::parse(text, "f", config::Secrets::Drop);
    for (const config::Problem &problem : kept.problems) checkProblem(problem, lines);
    checkVolumes(kept, false);
    checkVolumes(dropped, true);
    // Daemon and generator see what the engine sees.
    require(kept.volumes.size() == dropped.volumes.size());
    require(std::equal(kept.problems.begin(), kept.problems.end(), dropped.problems.begin(),
                       dropped.problems.end(), [](const auto &a, const auto &b) {
                           return a.text() == b.text() && a.level == b.level;
                       }));
    return 0;
}
