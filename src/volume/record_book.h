// SPDX-License-Identifier: Apache-2.0
// Our record as it is kept in a header: found by type, authenticated under the volume key, written
// with a fresh MAC.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/secret_buffer.h"
#include "luks/header_store.h"
#include "model/header_view.h"
#include "model/record.h"
#include "model/sync_plan.h"
#include "model/volume_spec.h"
#include "volume/session.h"

namespace volumecrypt::volume {

struct FoundRecord {
    model::RecordTrust trust = model::RecordTrust::Absent;
    std::optional<model::Record> record;  // set for Valid
    // The name that it gives the volume, where that is a former one (see former_name.h).
    std::optional<model::VolumeId> former;
    std::optional<unsigned> token;  // the id that it is at, also when it cannot be trusted
    std::string problem;            // why it cannot be trusted
    // Copies of the record beside the one that was found: a move to another number was interrupted.
    // Only when that one is Valid.
    std::vector<unsigned> surplus;

    // What it says of a slot; nullptr when it says nothing, or is none.
    [[nodiscard]] const model::RecordSlot *entry(unsigned slot) const {
        return record ? record->entry(slot) : nullptr;
    }
};

// Without the volume key the MAC cannot be checked: Valid means "readable" then; enough to show,
// not to act on.
FoundRecord peekRecord(const model::HeaderView &view);
// With it: MacWrong when the MAC does not fit or the record is another volume's.
FoundRecord authenticateRecord(const Session &session, const model::HeaderView &view,
                               const base::SecretBuffer &recordKey);

// The highest id at which token and key slot are free and no slot is declared; the present id stays
// when it is not declared. When every number is declared: the highest free token of a slot without
// a sealed token. NoSpace.
base::Result<unsigned> chooseRecordToken(const model::HeaderView &view,
                                         const std::vector<model::KeySpec> &declared,
                                         std::optional<unsigned> present);

// Computes the MAC and returns the token's JSON.
std::string sealRecord(model::Record &record, const base::SecretBuffer &recordKey);
// The same of a record with a job that changes the volume key: with the MAC under either key.
std::string sealRecordWithJob(model::Record &record, const base::SecretBuffer &recordKey,
                              const base::SecretBuffer &nextRecordKey);
// Whether its own MAC (not that of its job) is by that key.
bool isSealedBy(const model::Record &record, const base::SecretBuffer &recordKey);

}  // namespace volumecrypt::volume
