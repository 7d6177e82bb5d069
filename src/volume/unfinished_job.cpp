// SPDX-License-Identifier: Apache-2.0
// Reads headers of volumes with an unfinished job.
#include "volume/unfinished_job.h"

#include <algorithm>
#include <string>
#include <utility>

#include "luks/header_store.h"
#include "volume/device_state.h"
#include "volume/pin.h"
#include "volume/record_book.h"

namespace volumecrypt::volume {
namespace {

using base::ErrorCode;

void showSlotsOfJob(model::HeaderView &view, const model::Job &job) {
    for (auto &[id, token] : view.tokens) {
        for (unsigned &slot : token.keyslots)
            for (const auto &[wanted, temporary] : job.slots)
                if (slot == temporary) slot = wanted;
        std::ranges::sort(token.keyslots);
        const auto surplus = std::ranges::unique(token.keyslots);
        token.keyslots.erase(surplus.begin(), surplus.end());
    }
}

}  // namespace

std::optional<model::Job> peekJob(const model::HeaderView &view) {
    const FoundRecord found = peekRecord(view);
    return found.record ? found.record->job : std::nullopt;
}

base::Error jobUnfinished(const Session &session, const model::Job &job) {
    const std::string id = session.id().text();
    switch (job.operation) {
        case model::JobOperation::Reencrypt:
            return {ErrorCode::Busy,
                    session.describe() + ": a change of its volume key is unfinished",
                    "`volumecryptctl rotate-volume-key " + id + "` goes on with it."};
        case model::JobOperation::Encrypt:
            return {ErrorCode::Busy, session.describe() + ": its encryption is unfinished",
                    "`volumecryptctl encrypt " + id + "` goes on with it."};
        case model::JobOperation::Decrypt:
            return {ErrorCode::Busy, session.describe() + ": its decryption is unfinished",
                    "Let it come to its end first."};
    }
    return {ErrorCode::Busy, session.describe() + ": a job of it is unfinished"};
}

base::Result<luks::HeaderCopy> readHeaderOfJob(const Session &session) {
    const auto flying = reencryptingHeader(session);
    const auto named = flying ? peekJob(*flying) : std::nullopt;
    if (!named) {
        VC_ASSIGN(luks::HeaderCopy header, readHeader(session));
        if (const auto job = peekJob(header.view)) showSlotsOfJob(header.view, *job);
        return header;
    }
    auto header = luks::copyHeaderInFlight(session.device().node);
    if (!header) {
        auto error = std::move(header).error();
        error.hint = forDevice(session, error.hint);
        return base::fail(std::move(error).because(session.describe()));
    }
    showSlotsOfJob(header->view, *named);
    return std::move(*header);
}

base::Result<OpenedVolume> openWithJob(const Session &session, KeyRing &ring,
                                       luks::HeaderCopy header) {
    VC_ASSIGN(OpenedVolume volume, openVolume(session, ring, std::move(header)));
    VC_TRY(checkPin(session, volume.header.view, volume.unlocked.volumeKey, volume.found.former));
    const auto &record = volume.found.record;
    if (!record || !record->job)
        return base::fail(ErrorCode::HeaderCorrupt,
                          session.describe() + ": " +
                              (volume.found.problem.empty()
                                   ? std::string("its record names no change of the volume key")
                                   : volume.found.problem),
                          "Nothing was written. Restore a header backup.");
    if (record->job->operation != model::JobOperation::Reencrypt)
        return base::fail(jobUnfinished(session, *record->job));
    return volume;
}

bool hasJob(const Session &session) {
    const auto view = luks::openHeaderStore(session.device().node)->view();
    return view && peekJob(*view);
}

}  // namespace volumecrypt::volume
