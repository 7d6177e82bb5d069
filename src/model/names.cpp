// SPDX-License-Identifier: Apache-2.0
// systemd's escaping of paths and the names built with it.
#include "model/names.h"

#include "base/text.h"

namespace volumecrypt::model {
namespace {

bool isPlain(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == ':' ||
           c == '_' || c == '.';
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
            text.append("\\x").append(base::toHex({&c, 1}));
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
