// SPDX-License-Identifier: Apache-2.0
// Starts the daemon of the build.
#include "test_daemon.h"

#include <cstdint>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include <sys/stat.h>

#include "client.h"

namespace volumecrypt::test {
namespace {

constexpr auto kSecretFile = std::filesystem::perms{0600};
constexpr auto kProgram = std::filesystem::perms{0755};

// Not the one before it, whose end the bus may not have seen yet.
bool isOnTheBus(pid_t daemon) {
    std::uint32_t owner = 0;
    const auto connection = sdbus::createSystemBusConnection();
    try {
        bus::makeProxy(*connection, "org.freedesktop.DBus", "/org/freedesktop/DBus")
            ->callMethod("GetConnectionUnixProcessID")
            .onInterface("org.freedesktop.DBus")
            .withArguments(kName)
            .storeResultsTo(owner);
    } catch (const sdbus::Error &) {
        return false;
    }
    return static_cast<pid_t>(owner) == daemon;
}

// --test-kdf is the engine's own switch for tests; the daemon has none to pass it.
std::string realEngine(const std::string &before) {
    return "#!/bin/sh\n" + before + "\nexec " ENGINE_PROGRAM " --test-kdf \"$@\"\n";
}

}  // namespace

TestDaemon::TestDaemon(Engine engine, std::vector<std::string> options)
    : options_(std::move(options)) {
    std::filesystem::create_directories(folder_.file("config"));
    std::filesystem::create_directories(folder_.file("script"));
    engine_ = engine == Engine::Real
                  ? folder_.write("engine", realEngine(""), kProgram)
                  : folder_.write(
                        "engine",
                        "#!/bin/sh\nSCRIPTS=" + folder_.file("script") + "\n. " FAKE_ENGINE "\n",
                        kProgram);
    if (engine == Engine::Scripted) script("inspect", "result");
}

void TestDaemon::start() {
    std::vector<std::string> argv{DAEMON_PROGRAM,         "--root",   root(), "--config-dir",
                                  folder_.file("config"), "--engine", engine_};
    argv.insert(argv.end(), options_.begin(), options_.end());
    process_ = Companion(argv, folder_.file("daemon.log"));
    if (!eventually([this] { return isOnTheBus(process_.pid()); }))
        throw std::runtime_error("volumecryptd does not start: " + log());
}

void TestDaemon::beforeEngines(const std::string &shell) const {
    folder_.write("engine", realEngine(shell), kProgram);
}

void TestDaemon::configure(const std::string &file, const std::string &yaml) const {
    folder_.write("config/" + file, yaml, kSecretFile);
}

void TestDaemon::unconfigure(const std::string &file) const {
    std::filesystem::remove(folder_.file("config/" + file));
}

std::string TestDaemon::makeImage(const std::string &name) const {
    const auto path = folder_.write(name + ".img", "");
    std::filesystem::resize_file(path, std::uintmax_t{32} << 20);
    return path;
}

std::string TestDaemon::userVolume(const std::string &name,
                                   const std::vector<std::string> &keys) const {
    std::string yaml = "apiVersion: v1alpha1\nkind: UserVolumeConfig\nname: " + name +
                       "\nvolume: {device: " + folder_.file(name + ".img") +
                       "}\nencryption:\n  provider: luks2\n  keys:\n";
    for (const auto &key : keys) {
        const auto colon = key.find(": ");
        yaml += "    - {slot: " + key.substr(0, colon) + ", static: {passphrase: \"" +
                key.substr(colon + 2) + "\"}}\n";
    }
    return yaml;
}

void TestDaemon::script(const std::string &verb, const std::string &shell) const {
    folder_.write("script/" + verb, shell + "\n");
}

std::string TestDaemon::log() const {
    std::ifstream file(folder_.file("daemon.log"));
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

}  // namespace volumecrypt::test
