// SPDX-License-Identifier: Apache-2.0
// A bus client without a library's scruples: any number of descriptors, any size, forged signals.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "base/unique_fd.h"

namespace volumecrypt::test {

struct RawMessage {
    std::uint8_t type = 1;  // a call
    std::uint8_t flags = 0;
    std::string path;
    std::string interface;
    std::string member;
    std::string destination;
    std::string signature;
    std::string body;
    unsigned descriptors = 0;  // of /dev/null
};

class RawCaller {
  public:
    // Connects as the process's user, and throws when the bus does not want it.
    RawCaller();

    void send(const RawMessage &message);
    // Waits for the next answer to any of the calls, and counts it: "ok" or the error's name.
    // False when there is none for that long, or the bus hung up.
    bool readAnswer(int milliseconds);
    [[nodiscard]] const std::map<std::string, int> &answers() const { return answers_; }

    // In the bus's form: a body of strings, an a{sv} of `entries` bytes y, and one descriptor.
    static std::string strings(const std::vector<std::string> &texts);
    static std::string dictionary(std::size_t entries);
    static std::string secretOption();

  private:
    bool receive(std::size_t bytes, int milliseconds);
    std::uint32_t number(std::size_t at) const;

    base::UniqueFd socket_;
    std::uint32_t serial_ = 0;
    std::string received_;
    std::map<std::string, int> answers_;
};

}  // namespace volumecrypt::test
