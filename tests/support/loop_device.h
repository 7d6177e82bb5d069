// SPDX-License-Identifier: Apache-2.0
// Loop devices over sparse files, for tests that run as root where there are some.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

#include "base/child_process.h"
#include "support/temp_dir.h"

namespace volumecrypt::test {

// Standard output, without the line's end. A command that fails ends the test. There is no udev:
// the tools of device-mapper make their nodes themselves.
inline std::string shell(const std::string &command) {
    const auto outcome = base::runProgram({"sh", "-euc", "export DM_DISABLE_UDEV=1; " + command});
    if (!outcome) throw std::runtime_error(outcome.error().message);
    if (outcome->exitCode != 0) throw std::runtime_error(command + ": " + outcome->output);
    std::string text = outcome->output;
    while (text.ends_with('\n')) text.pop_back();
    return text;
}

class Loop {
  public:
    explicit Loop(std::uint64_t mebibytes, const std::string &options = "")
        : file_(directory_.file("disk")) {
        shell("truncate -s " + std::to_string(mebibytes) + "M " + file_);
        attach(options);
    }
    // Over something that exists.
    Loop(const std::string &backing, const std::string &options) : file_(backing) {
        attach(options);
    }
    ~Loop() { shell("losetup --detach " + node_); }
    Loop(const Loop &) = delete;
    Loop &operator=(const Loop &) = delete;
    Loop(Loop &&) = delete;
    Loop &operator=(Loop &&) = delete;

    [[nodiscard]] const std::string &node() const { return node_; }
    [[nodiscard]] const std::string &file() const { return file_; }

  private:
    void attach(const std::string &options) {
        node_ = shell("losetup --find --show " + options + " " + file_);
    }
    TempDir directory_;
    std::string file_;
    std::string node_;
};

}  // namespace volumecrypt::test
