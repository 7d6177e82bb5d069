// SPDX-License-Identifier: Apache-2.0
// luks/reencryption.h as a program, for tests that cut it off: `begin FILE OLD NEW` and
// `go FILE OLD NEW [CHUNKS]`, the passphrase of both key slots on standard input. `go` says how it
// ended; when it is over the key is in slot OLD again. OLD is - for an encryption.
#include <cstdlib>
#include <iostream>
#include <optional>
#include <string>
#include <vector>

#include "luks/header_copy.h"
#include "luks/new_volume_key.h"
#include "luks/reencryption.h"

namespace {

using namespace volumecrypt;

[[noreturn]] void giveUp(const base::Error &error) {
    std::cerr << base::errorName(error.code) << ": " << error.message << "\n";
    std::exit(1);
}

template <typename T>
T must(base::Result<T> result) {
    if (!result) giveUp(result.error());
    return std::move(*result);
}

void must(base::Status status) {
    if (!status) giveUp(status.error());
}

int begin(const std::string &path, unsigned from, unsigned to, const base::SecretBuffer &word) {
    const base::SecretBuffer key = must(luks::makeVolumeKey(64));
    must(luks::addNewKeySlot(path, to, key, word, luks::KdfCost::Minimal));
    must(luks::beginReencryption(path, "", {.passphrase = word, .oldSlot = from, .newSlot = to}));
    return 0;
}

const char *nameOf(luks::ReencryptionEnd end) {
    switch (end) {
        case luks::ReencryptionEnd::Stopped:
            return "stopped";
        case luks::ReencryptionEnd::DataDone:
            return "data done";
        case luks::ReencryptionEnd::Finished:
            return "finished";
    }
    return "";
}

int goOn(const std::string &path, std::optional<unsigned> from, unsigned to,
         const base::SecretBuffer &word, int chunks) {
    luks::ReencryptionControl control;
    control.chunk = std::uint64_t{1} << 20;
    control.pause = [&](std::chrono::milliseconds) { return chunks-- != 0; };
    const auto end = must(luks::runReencryption(
        path, "", {.passphrase = word, .oldSlot = from, .newSlot = to}, control));
    std::cout << nameOf(end) << "\n";
    if (end == luks::ReencryptionEnd::Stopped) return 0;
    const luks::HeaderCopy copy = must(luks::copyHeaderInFlight(path));
    luks::FinalHeader last;
    if (from && copy.view.slots.contains(to)) {
        must(luks::openAnySlot(copy, to, word));
        last.moves[to] = *from;
    }
    must(luks::finishReencryption(path, last));
    return 0;
}

}  // namespace

int main(int argc, char **argv) {
    const std::vector<std::string> arguments(argv + 1, argv + argc);
    if (arguments.size() < 4) return 64;
    std::string typed;
    std::getline(std::cin, typed);
    const auto word = base::SecretBuffer::copyOf(typed);
    std::optional<unsigned> from;
    if (arguments[2] != "-") from = static_cast<unsigned>(std::stoul(arguments[2]));
    const auto to = static_cast<unsigned>(std::stoul(arguments[3]));
    if (arguments[0] == "begin") return begin(arguments[1], *from, to, word);
    const int chunks = arguments.size() > 4 ? std::stoi(arguments[4]) : -1;
    return goOn(arguments[1], from, to, word, chunks);
}
