// SPDX-License-Identifier: Apache-2.0
// The errors of Apply, said of a volume that is named beside them.

#include "daemon/apply_plan.h"

namespace volumecrypt::daemon {

base::Error withFileHint(base::Error error, const Volume &volume) {
    if (error.code != base::ErrorCode::NoUsableKey) return error;
    const std::string byFile =
        "`volumecryptctl apply " + volume.id().text() +
        " --secret-file FILE` takes one from a file, also while it is in use.";
    error.hint += (error.hint.empty() ? "" : " ") + byFile;
    return error;
}

base::Error stillMapped() {
    return {base::ErrorCode::Busy, "it left the configuration, but is in use and stays unlocked",
            "Close what uses it, then apply again."};
}

base::Error notRemounted(const Volume &volume, const std::vector<std::string> &left,
                         const base::Status &status) {
    base::Error error(base::ErrorCode::Io, "it could not be remounted");
    if (!left.empty()) error.message += " with " + joined(left);
    if (!status) error.message += ": " + status.error().message;
    error.hint = "See `journalctl -u '" + volume.spec().consumerUnit() +
                 "'`; lock and unlock the volume to mount it anew.";
    return error;
}

tl::unexpected<base::Error> othersFirst() {
    return base::fail(
        base::ErrorCode::Busy,
        "other volumes left the configuration, or are mounted elsewhere now: with new "
        "units nothing would say any more what of them to stop",
        "`volumecryptctl apply` deals with them first.");
}

}  // namespace volumecrypt::daemon
