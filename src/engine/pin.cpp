// SPDX-License-Identifier: Apache-2.0
// /var/lib/volumecrypt/pins/ID.json: LUKS UUID, and an HMAC under the volume key.
#include "engine/pin.h"

#include <cerrno>

#include <sys/stat.h>

#include <nlohmann/json.hpp>
#include <unistd.h>

#include "base/files.h"
#include "keys/digests.h"

namespace volumecrypt::engine {
namespace {

using base::ErrorCode;
using Json = nlohmann::json;

std::string pathOf(const Session &session) {
    return session.options().paths.pin(session.id());
}

std::string hex(const std::string &bytes) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    for (const char c : bytes) {
        text += digits[static_cast<unsigned char>(c) >> 4U];
        text += digits[static_cast<unsigned char>(c) & 15U];
    }
    return text;
}

std::string pinText(const Session &session, const std::string &uuid,
                    const base::SecretBuffer &volumeKey) {
    const Json pin{{"version", 1},
                   {"volume", session.id().text()},
                   {"uuid", uuid},
                   {"digest", hex(keys::pinDigest(volumeKey))}};
    return pin.dump() + "\n";
}

std::string forgetHint(const Session &session) {
    return "If this is meant, run `volumecryptctl forget " + session.id().text() +
           "` and try again.";
}

}  // namespace

base::Result<bool> hasPin(const Session &session) {
    struct stat info {};
    if (::stat(pathOf(session).c_str(), &info) == 0) return true;
    if (errno == ENOENT || errno == ENOTDIR) return false;
    return base::fail(base::errnoError("look for the pin " + pathOf(session), errno));
}

base::Status checkPin(const Session &session, const std::string &uuid,
                      const base::SecretBuffer &volumeKey) {
    VC_ASSIGN(const bool pinned, hasPin(session));
    if (!pinned) return {};
    VC_ASSIGN(const std::string text, base::readFile(pathOf(session), 65536));
    const Json pin = Json::parse(text, nullptr, false);
    if (!pin.is_object() || !pin.contains("uuid") || !pin.contains("digest"))
        return base::fail(ErrorCode::HeaderCorrupt,
                          "the pin " + pathOf(session) + " cannot be read", forgetHint(session));
    const bool same = pin["uuid"] == uuid && pin["digest"] == hex(keys::pinDigest(volumeKey));
    if (same) return {};
    return base::fail(
        ErrorCode::ForeignVolume,
        session.describe() + " is not the volume that this machine made: its UUID is " + uuid +
            (pin["uuid"] == uuid ? ", its volume key is another one"
                                 : ", another one is remembered"),
        "The device may have been swapped, or restored from a copy. " + forgetHint(session));
}

base::Status writePin(const Session &session, const std::string &uuid,
                      const base::SecretBuffer &volumeKey) {
    VC_ASSIGN(const bool pinned, hasPin(session));
    if (pinned) return {};
    auto written =
        base::writeFileAtomically(pathOf(session), pinText(session, uuid, volumeKey), 0600);
    if (!written)
        session.reporter().warning(
            written.error().code,
            session.describe() + " is not pinned yet: " + written.error().message);
    return {};
}

base::Status dropPin(const Session &session) {
    if (::unlink(pathOf(session).c_str()) == 0 || errno == ENOENT || errno == ENOTDIR) return {};
    return base::fail(base::errnoError("remove the pin " + pathOf(session), errno));
}

base::Status checkNotPinned(const Session &session) {
    VC_ASSIGN(const bool pinned, hasPin(session));
    if (!pinned) return {};
    return base::fail(
        ErrorCode::VolumeVanished,
        session.describe() +
            " is empty, but this machine made an encrypted volume there and remembers it",
        "Nothing was written. The device may have been swapped or its header overwritten: restore "
        "a header "
        "backup if there is one. " +
            forgetHint(session));
}

}  // namespace volumecrypt::engine
