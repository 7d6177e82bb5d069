// SPDX-License-Identifier: Apache-2.0
// Reads passphrases byte by byte into a SecretBuffer, so that no other buffer of ours holds them.
#include "cli/prompt.h"

#include <cerrno>

#include <fcntl.h>
#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include "base/scope_exit.h"
#include "base/text.h"
#include "cli/interrupt.h"
#include "cli/text.h"

namespace volumecrypt::cli {
namespace {

using base::ErrorCode;
using base::Result;
using base::SecretBuffer;

// Somebody may type what is read from a pipe.
constexpr int kFileTimeoutMs = 300'000;
constexpr int kPromptAttempts = 3;

enum class Key { Character, Enter, Rubout, Clear, Cancel };

Key keyOf(char c) {
    switch (c) {
        case '\n':
        case '\r':
            return Key::Enter;
        case '\b':
        case '\x7f':
            return Key::Rubout;
        case '\x15':  // ^U
            return Key::Clear;
        case '\x03':  // ^C
        case '\x04':  // ^D
        case '\x1a':  // ^Z
        case '\x1c':  // ^backslash
            return Key::Cancel;
        default:
            return Key::Character;
    }
}

base::Error cancelled() {
    return {ErrorCode::Cancelled, "cancelled"};
}

// The terminal hands over single bytes and makes no signals: the line discipline's own buffer would
// cut a passphrase at 4095 bytes, and a signal would leave the terminal without echo.
termios silent(const termios &usual) {
    termios changed = usual;
    changed.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO | ECHONL | ISIG);
    changed.c_cc[VMIN] = 1;
    changed.c_cc[VTIME] = 0;
    return changed;
}

Result<SecretBuffer> readLine(int fd, const Interruptible &signals) {
    SecretBuffer buffer(base::kLongestSecret + 1);
    std::size_t used = 0;
    bool tooLong = false;
    for (;;) {
        char *next = buffer.chars() + used;
        signals.wait(fd, POLLIN, -1);
        if (signals.happened()) return base::fail(cancelled());
        const ssize_t got = ::read(fd, next, 1);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return base::fail(base::errnoError("read from the terminal", errno));
        if (got == 0) return base::fail(cancelled());
        const Key key = keyOf(*next);
        if (key == Key::Enter) break;
        if (key == Key::Cancel) return base::fail(cancelled());
        if (key == Key::Clear) used = 0;
        if (key == Key::Rubout) used = base::withoutLastCharacter({buffer.chars(), used}).size();
        if (key != Key::Character) continue;
        if (used == base::kLongestSecret)
            tooLong = true;
        else
            ++used;
    }
    if (tooLong)
        return base::fail(ErrorCode::InvalidConfig, "the passphrase is longer than 8192 bytes");
    if (used == 0) return base::fail(ErrorCode::InvalidConfig, "the passphrase is empty");
    buffer.truncate(used);
    return buffer;
}

}  // namespace

std::optional<Terminal> Terminal::open() {
    const int fd = ::open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (fd < 0) return std::nullopt;
    return Terminal(base::UniqueFd(fd));
}

void Terminal::say(const std::string &text) {
    write(text);
}

void Terminal::saySecret(const SecretBuffer &text) {
    write({text.chars(), text.size()});
}

void Terminal::write(std::string_view text) {
    std::size_t written = 0;
    while (written < text.size()) {
        const ssize_t n = ::write(fd_.get(), text.data() + written, text.size() - written);
        if (n < 0 && errno != EINTR) return;
        if (n > 0) written += static_cast<std::size_t>(n);
    }
}

Result<SecretBuffer> Terminal::askSecret(const std::string &question) {
    const Interruptible signals;
    termios usual{};
    if (::tcgetattr(fd_.get(), &usual) < 0)
        return base::fail(base::errnoError("ask on the terminal", errno));
    const termios quiet = silent(usual);
    // Flushing drops what was typed before the question, when it was still echoed.
    if (::tcsetattr(fd_.get(), TCSAFLUSH, &quiet) < 0)
        return base::fail(base::errnoError("turn off the terminal's echo", errno));
    const base::ScopeExit restore([&] {
        (void)::tcsetattr(fd_.get(), TCSADRAIN, &usual);
        say("\n");
    });
    say(question);
    return readLine(fd_.get(), signals);
}

Result<SecretBuffer> Terminal::askNewSecret(const std::string &question) {
    for (int attempt = 0; attempt < kPromptAttempts; ++attempt) {
        VC_ASSIGN(SecretBuffer first, askSecret(question + ": "));
        VC_ASSIGN(SecretBuffer second, askSecret(question + " (once more): "));
        if (first == second) return first;
        say("The two differ.\n");
    }
    return base::fail(ErrorCode::Cancelled, "the two passphrases differed each time");
}

Result<std::string> Terminal::askLine(const std::string &question) {
    const Interruptible signals;
    (void)::tcflush(fd_.get(), TCIFLUSH);
    say(question);
    std::string line;
    for (;;) {
        signals.wait(fd_.get(), POLLIN, -1);
        char c = 0;
        const ssize_t got = signals.happened() ? 0 : ::read(fd_.get(), &c, 1);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) {
            say("\n");
            return base::fail(cancelled());
        }
        if (c == '\n') return line;
        line += c;
    }
}

bool isTyped(const std::string &path) {
    return path == "-" && ::isatty(STDIN_FILENO) == 1;
}

Result<SecretBuffer> readSecretFile(const std::string &path) {
    if (path == "-") return base::readSecret(STDIN_FILENO, base::kLongestSecret, kFileTimeoutMs);
    VC_ASSIGN(const base::UniqueFd fd, base::openFile(path, O_RDONLY | O_NOCTTY));
    auto secret = base::readSecret(fd.get(), base::kLongestSecret, kFileTimeoutMs);
    if (!secret) return base::fail(std::move(secret).error().because(printable(path)));
    return secret;
}

}  // namespace volumecrypt::cli
