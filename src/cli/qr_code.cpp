// SPDX-License-Identifier: Apache-2.0
// libqrencode makes the dots, block characters show them.
#include "cli/qr_code.h"

#include <string_view>

#include <qrencode.h>
#include <string.h>

#include "base/scope_exit.h"

namespace volumecrypt::cli {
namespace {

// What readers want around it.
constexpr int kMargin = 2;
constexpr std::string_view kBlackOnWhite = "\x1b[40;37;1m";
constexpr std::string_view kUsual = "\x1b[0m\n";
// Upper and lower dot: light is drawn, dark is left.
constexpr std::string_view kLightLight = "\xe2\x96\x88";  // full block
constexpr std::string_view kLightDark = "\xe2\x96\x80";   // upper half
constexpr std::string_view kDarkLight = "\xe2\x96\x84";   // lower half
constexpr std::string_view kDarkDark = " ";

class Canvas {
  public:
    explicit Canvas(const QRcode &code)
        : code_(code),
          // Three bytes for each character, and the colours of each line.
          text_(static_cast<std::size_t>(lines()) *
                (static_cast<std::size_t>(side()) * 3 + kBlackOnWhite.size() + kUsual.size())) {}

    base::SecretBuffer draw() {
        for (int y = -kMargin; y < code_.width + kMargin; y += 2) {
            put(kBlackOnWhite);
            for (int x = -kMargin; x < code_.width + kMargin; ++x) put(pair(x, y));
            put(kUsual);
        }
        text_.truncate(used_);
        return std::move(text_);
    }

  private:
    [[nodiscard]] int side() const { return code_.width + 2 * kMargin; }
    [[nodiscard]] int lines() const { return (side() + 1) / 2; }
    [[nodiscard]] bool dark(int x, int y) const {
        if (x < 0 || y < 0 || x >= code_.width || y >= code_.width) return false;
        return (code_.data[y * code_.width + x] & 1U) != 0;
    }
    [[nodiscard]] std::string_view pair(int x, int y) const {
        if (dark(x, y)) return dark(x, y + 1) ? kDarkDark : kDarkLight;
        return dark(x, y + 1) ? kLightDark : kLightLight;
    }
    void put(std::string_view piece) {
        for (const char c : piece) text_.chars()[used_++] = c;
    }

    const QRcode &code_;
    base::SecretBuffer text_;
    std::size_t used_ = 0;
};

}  // namespace

std::optional<base::SecretBuffer> qrCode(const base::SecretBuffer &text) {
    const base::CHandle<QRcode, QRcode_free> code(::QRcode_encodeData(
        static_cast<int>(text.size()), reinterpret_cast<const unsigned char *>(text.chars()), 0,
        QR_ECLEVEL_L));
    if (!code) return std::nullopt;
    base::SecretBuffer drawn = Canvas(*code).draw();
    ::explicit_bzero(code->data,
                     static_cast<std::size_t>(code->width) * static_cast<std::size_t>(code->width));
    return drawn;
}

}  // namespace volumecrypt::cli
