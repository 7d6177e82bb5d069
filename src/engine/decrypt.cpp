// SPDX-License-Identifier: Apache-2.0
// decrypt: a volume of ours that is declared without encryption becomes a plain file system where
// it is; its data stays. Killed anywhere, the same call goes on.
#include <optional>
#include <utility>

#include "engine/verbs.h"
#include "model/names.h"
#include "volume/decryption.h"
#include "volume/device_state.h"

namespace volumecrypt::engine {
namespace {

using base::ErrorCode;

base::Status expectDeclaredPlain(const volume::Session &session) {
    if (!session.spec().encryption) return {};
    const std::string id = session.id().text();
    if (session.encryptionIsMetas())
        return base::fail(ErrorCode::Unsupported,
                          "volume " + id + " is encrypted by what META says of it",
                          "Nothing was written. It cannot be decrypted where it is.");
    return base::fail(ErrorCode::Unsupported, "volume " + id + " is declared encrypted",
                      "Nothing was written. Take `encryption` out of its document, then run "
                      "`volumecryptctl decrypt " +
                          id + "` again.");
}

base::Status prepareToDecrypt(volume::Session &session) {
    VC_TRY(session.readSecrets());
    VC_TRY(session.loadSpec());
    VC_TRY(expectDeclaredPlain(session));
    VC_TRY(session.findDevice());
    VC_TRY(volume::expectWritable(session));
    VC_TRY(session.lock());
    VC_ASSIGN(const bool mapped, volume::isMapped(session));
    if (!mapped) return {};
    return base::fail(
        ErrorCode::Busy, session.describe() + " is unlocked: it is decrypted while it is locked",
        "Nothing was written. `systemctl stop volumecrypt@" + session.id().text() +
            ".service` locks it, or `cryptsetup close " + model::mappingName(session.id()) +
            "` where that unit does not run; then try again.");
}

}  // namespace

base::Result<volume::Outcome> decrypt(volume::Session &session) {
    VC_TRY(prepareToDecrypt(session));
    VC_ASSIGN(const volume::DeviceContent found, volume::lookAtDevice(session));
    volume::Outcome outcome;
    outcome.state = model::VolumeState::Plain;
    if (found.content.kind == blockdev::ContentKind::Filesystem && !found.content.hasLuks()) {
        outcome.text = session.describe() + " is not encrypted: there is nothing to decrypt";
        return outcome;
    }
    std::optional<luks::DecryptionMarker> marker = found.interruptedDecryption;
    if (!marker) {
        if (found.content.kind != blockdev::ContentKind::Luks2)
            return base::fail(volume::unexpectedContent(session, found));
        VC_ASSIGN(marker, volume::startDecryption(session, found));
    }
    VC_TRY(volume::runDecryption(session, *marker));
    outcome.changed = true;
    outcome.extra["notes"] = nlohmann::json::array({"decrypted; its data stayed"});
    outcome.text = session.describe() + ": decrypted, with its data; it can be mounted";
    return outcome;
}

}  // namespace volumecrypt::engine
