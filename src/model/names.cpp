// SPDX-License-Identifier: Apache-2.0
// systemd's escaping of paths and the names built with it.
#include "model/names.h"

namespace volumecrypt::model {
namespace {

bool isPlain(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == ':' ||
           c == '_' || c == '.';
}

void appendEscaped(std::string &text, char c) {
    constexpr std::string_view digits = "0123456789abcdef";
    const auto value = static_cast<unsigned char>(c);
    text += "\\x";
    text += digits[value >> 4U];
    text += digits[value & 15U];
}

}  // namespace

std::string mappingName(const VolumeId &id) {
    return "luks2-" + id.text();
}

std::string mappingPath(const VolumeId &id) {
    return "/dev/mapper/" + mappingName(id);
}

std::string escapeUnitPath(std::string_view path) {
    std::string text;
    bool pendingSlash = false;
    for (const char c : path) {
        if (c == '/') {
            pendingSlash = !text.empty();
            continue;
        }
        if (pendingSlash) text += '-';
        pendingSlash = false;
        if (!isPlain(c) || (c == '.' && text.empty()))
            appendEscaped(text, c);
        else
            text += c;
    }
    return text.empty() ? "-" : text;
}

std::string deviceUnit(std::string_view path) {
    return escapeUnitPath(path) + ".device";
}

std::string mountUnit(std::string_view where) {
    return escapeUnitPath(where) + ".mount";
}

std::string swapUnit(std::string_view path) {
    return escapeUnitPath(path) + ".swap";
}

std::string attachUnit(const VolumeId &id) {
    return "volumecrypt@" + id.text() + ".service";
}

std::string syncUnit(const VolumeId &id) {
    return "volumecrypt-sync@" + id.text() + ".service";
}

std::string trimUnit(const VolumeId &id, std::string_view type) {
    return "volumecrypt-trim@" + id.text() + "." + std::string(type);
}

}  // namespace volumecrypt::model
