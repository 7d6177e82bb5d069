// SPDX-License-Identifier: Apache-2.0
// Questions on the terminal: passphrases without echo, and confirmations.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/secret_buffer.h"
#include "base/unique_fd.h"

namespace volumecrypt::cli {

// The controlling terminal (/dev/tty), whatever standard input and output are.
class Terminal {
  public:
    // Nothing when the process has none.
    static std::optional<Terminal> open();

    // Writes `question` and reads one line without echo, straight into locked memory. Backspace
    // and ^U edit. Cancelled on ^C, ^D or a signal; InvalidConfig when it is empty or too long.
    base::Result<base::SecretBuffer> askSecret(const std::string &question);
    // Asks for a new passphrase twice, three times over when the two differ.
    base::Result<base::SecretBuffer> askNewSecret(const std::string &question);
    // One visible line, without its newline. Cancelled on end of file or a signal.
    base::Result<std::string> askLine(const std::string &question);
    void say(const std::string &text);
    void saySecret(const base::SecretBuffer &text);

  private:
    explicit Terminal(base::UniqueFd fd) : fd_(std::move(fd)) {}
    void write(std::string_view text);

    base::UniqueFd fd_;
};

// Somebody types what is read from this file.
bool isTyped(const std::string &path);
// All bytes of a file, pipe or ("-") standard input.
base::Result<base::SecretBuffer> readSecretFile(const std::string &path);

}  // namespace volumecrypt::cli
