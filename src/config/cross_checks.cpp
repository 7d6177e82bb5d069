// SPDX-License-Identifier: Apache-2.0
// Rules between documents.
#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "config/draft.h"

namespace volumecrypt::config {
namespace {

std::string textOf(const model::SourcePosition &position) {
    return fmt::format("{}:{}:{}", position.file, position.line, position.column);
}

void add(Draft &draft, const model::SourcePosition &position, std::string message,
         std::vector<Problem> &problems) {
    draft.valid = false;
    problems.push_back({Level::Error, position, base::ErrorCode::InvalidConfig, std::move(message),
                        draft.spec.id.text()});
}

// Neither of two documents is taken: which one is meant is anybody's guess.
void checkDoubles(std::vector<Draft> &drafts, std::vector<Problem> &problems) {
    std::map<model::VolumeId, Draft *> first;
    for (Draft &draft : drafts) {
        const auto [known, isNew] = first.emplace(draft.spec.id, &draft);
        if (isNew) continue;
        known->second->valid = false;
        add(draft, draft.spec.position,
            fmt::format("{} is declared twice, first at {}", draft.spec.id.text(),
                        textOf(known->second->spec.position)),
            problems);
    }
}

// Something that only one volume can have.
struct Claim {
    Draft *draft = nullptr;
    const model::SourcePosition *position = nullptr;
    std::string_view field;
};

// Both volumes are told, and neither is taken.
void checkClaims(const std::multimap<std::string, Claim> &claims, std::string_view what,
                 std::vector<Problem> &problems) {
    for (auto claim = claims.begin(); claim != claims.end();) {
        const auto end = claims.upper_bound(claim->first);
        const Claim &first = claim->second;
        for (auto other = std::next(claim); other != end; ++other) {
            const Claim &second = other->second;
            if (second.draft->spec.id == first.draft->spec.id && second.field == first.field)
                continue;  // two documents for one volume: reported as such
            const auto text = [&](const Claim &theirs) {
                return fmt::format("{} {} is also that of {} ({})", what, claim->first,
                                   theirs.draft->spec.id.text(), textOf(*theirs.position));
            };
            add(*first.draft, *first.position, text(second), problems);
            add(*second.draft, *second.position, text(first), problems);
        }
        claim = end;
    }
}

void checkDevices(std::vector<Draft> &drafts, std::vector<Problem> &problems) {
    std::multimap<std::string, Claim> claims;
    for (Draft &draft : drafts) {
        const model::VolumeSpec &spec = draft.spec;
        if (!spec.device.path.empty())
            claims.emplace(spec.device.path, Claim{&draft, &draft.device, "device"});
        if (!spec.metaDevice.empty())
            claims.emplace(spec.metaDevice, Claim{&draft, &draft.meta, "meta"});
    }
    checkClaims(claims, "device", problems);
}

void checkMountPoints(std::vector<Draft> &drafts, std::vector<Problem> &problems) {
    std::multimap<std::string, Claim> claims;
    for (Draft &draft : drafts)
        if (draft.spec.mount)
            claims.emplace(draft.spec.mount->where, Claim{&draft, &draft.where, "where"});
    checkClaims(claims, "mount point", problems);
}

void checkState(std::vector<Draft> &drafts, std::vector<Problem> &problems) {
    const bool declared = std::any_of(drafts.begin(), drafts.end(), [](const Draft &draft) {
        return draft.spec.id.kind() == model::VolumeKind::State;
    });
    if (declared) return;
    for (Draft &draft : drafts)
        for (const model::SourcePosition &position : draft.lockedToState)
            add(draft, position,
                "the key is locked to STATE, but no document declares the \"STATE\" volume",
                problems);
}

}  // namespace

void checkTogether(std::vector<Draft> &drafts, bool complete, std::vector<Problem> &problems) {
    checkDoubles(drafts, problems);
    checkDevices(drafts, problems);
    checkMountPoints(drafts, problems);
    if (complete) checkState(drafts, problems);
}

}  // namespace volumecrypt::config
