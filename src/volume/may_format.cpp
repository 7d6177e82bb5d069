// SPDX-License-Identifier: Apache-2.0
// Whether to format: the declaration, the pin and the device each have a say.
#include "volume/device_state.h"
#include "volume/device_wipe.h"
#include "volume/first_header.h"
#include "volume/pin.h"

namespace volumecrypt::volume {
namespace {

using base::ErrorCode;

}  // namespace

base::Status mayFormat(const Session &session) {
    VC_TRY(checkNotPinned(session));
    VC_TRY(checkUnclaimed(session));
    if (session.spec().format == model::FormatPolicy::Never)
        return base::fail(
            ErrorCode::NotLuks2,
            session.describe() + " is blank, and the configuration says `format: never`",
            "Remove `format: never` from the configuration to have it formatted.");
    if (session.device().removable && session.device().byLabel)
        return base::fail(
            ErrorCode::NotLuks2,
            session.describe() + " is blank and removable, and was selected by its label alone",
            "It was not formatted. Declare `volume.device` (by-id, by-partuuid or by-path) to have "
            "it formatted.");
    return {};
}

}  // namespace volumecrypt::volume
