// SPDX-License-Identifier: Apache-2.0
// The real volumecryptd on the test's bus, with a root and a configuration of its own.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "companion.h"
#include "support/temp_dir.h"

namespace volumecrypt::test {

// Real: volumecrypt-engine with cheap key derivation. Scripted: fake_engine.sh, for engines that
// hang, die or report what no real one does on demand.
enum class Engine { Real, Scripted };

class TestDaemon {
  public:
    explicit TestDaemon(Engine engine, std::vector<std::string> options = {"--launcher=child"});

    // Before it starts.
    void setOptions(std::vector<std::string> options) { options_ = std::move(options); }
    // Waits until it is on the bus.
    void start();
    // Shell that runs before every engine from now on, such as a mount in a namespace of its own.
    void beforeEngines(const std::string &shell) const;
    int stop() { return process_.stop(); }
    void kill() { process_.kill(); }
    [[nodiscard]] const Companion &process() const { return process_; }

    // A file in the configuration directory, for root's eyes only.
    void configure(const std::string &file, const std::string &yaml) const;
    void unconfigure(const std::string &file) const;
    // A sparse file of 32 MiB; returns its path.
    [[nodiscard]] std::string makeImage(const std::string &name) const;
    // YAML of a user volume on that image, with static keys "slot: passphrase".
    [[nodiscard]] std::string userVolume(const std::string &name,
                                         const std::vector<std::string> &keys) const;
    // Lines of shell for a verb of the scripted engine.
    void script(const std::string &verb, const std::string &shell) const;
    [[nodiscard]] const TempDir &folder() const { return folder_; }
    [[nodiscard]] std::string root() const { return folder_.file("root"); }
    [[nodiscard]] std::string log() const;

  private:
    TempDir folder_;
    std::vector<std::string> options_;
    std::string engine_;
    Companion process_;
};

}  // namespace volumecrypt::test
