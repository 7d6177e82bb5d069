// SPDX-License-Identifier: Apache-2.0
// Finds, authenticates and places the record.
#include "volume/record_book.h"

#include <algorithm>
#include <utility>

#include "crypto/digest.h"
#include "model/slot_token.h"
#include "volume/former_name.h"

namespace volumecrypt::volume {
namespace {

using model::RecordTrust;

bool equalDigests(const std::string &a, const std::string &b) {
    return base::SecretBuffer::copyOf(a) == base::SecretBuffer::copyOf(b);
}

FoundRecord readRecord(const model::TokenView &token) {
    FoundRecord found;
    found.token = token.id;
    auto record = model::Record::fromJson(token.json);
    if (record) {
        found.trust = RecordTrust::Valid;
        found.record = std::move(*record);
        return found;
    }
    const bool newer = record.error().code == base::ErrorCode::Unsupported;
    found.trust = newer ? RecordTrust::Newer : RecordTrust::MacWrong;
    found.problem = record.error().message;
    return found;
}

// Whoever wrote it had the volume key; what it says is a name all the same, or not repeated.
std::string whoseRecord(const model::Record &record) {
    const auto id = model::VolumeId::parse(record.volume);
    return id ? "the record is that of volume " + id->text()
              : std::string("the record is that of another volume, with a name that is none");
}

void authenticate(FoundRecord &found, const Session &session, const base::SecretBuffer &recordKey) {
    if (found.trust != RecordTrust::Valid) return;
    const auto distrust = [&](std::string why) {
        found.trust = RecordTrust::MacWrong;
        found.record.reset();
        found.problem = std::move(why);
    };
    const std::string mac = crypto::hmacSha256(recordKey, found.record->authenticatedText());
    const auto &job = found.record->job;
    const bool byNext = job && !job->mac.empty() && equalDigests(mac, job->mac);
    if (!byNext && !equalDigests(mac, found.record->mac))
        distrust("the record's MAC is wrong: somebody else changed it");
    else if (found.record->volume != session.id().text() &&
             !(found.former = formerName(session, *found.record)))
        distrust(whoseRecord(*found.record));
}

// The first record that `judge` leaves Valid, or else the first there is.
template <typename Judge>
FoundRecord findRecord(const model::HeaderView &view, Judge judge) {
    std::vector<FoundRecord> all;
    for (const auto &[id, token] : view.tokens) {
        if (token.type != model::kRecordTokenType) continue;
        all.push_back(readRecord(token));
        judge(all.back());
    }
    if (all.empty()) return {};
    const auto valid = std::ranges::find(all, RecordTrust::Valid, &FoundRecord::trust);
    if (valid == all.end()) return std::move(all.front());
    FoundRecord found = std::move(*valid);
    for (const auto &[id, token] : view.tokens)
        if (token.type == model::kRecordTokenType && id != found.token) found.surplus.push_back(id);
    return found;
}

}  // namespace

FoundRecord peekRecord(const model::HeaderView &view) {
    return findRecord(view, [](const FoundRecord &) {});
}

FoundRecord authenticateRecord(const Session &session, const model::HeaderView &view,
                               const base::SecretBuffer &recordKey) {
    return findRecord(view, [&](FoundRecord &found) { authenticate(found, session, recordKey); });
}

base::Result<unsigned> chooseRecordToken(const model::HeaderView &view,
                                         const std::vector<model::KeySpec> &declared,
                                         std::optional<unsigned> present) {
    if (present && model::keyInSlot(declared, *present) == nullptr) return *present;
    auto id = model::undeclaredTokenId(view, declared);
    if (!id && present && !model::isTokenPromised(declared, *present)) id = present;
    if (!id) id = model::spareTokenId(view, declared);
    if (!id) id = present;
    if (!id)
        return base::fail(
            base::ErrorCode::NoSpace, "all 32 tokens of the header are in use",
            "Remove a token that nobody needs: `cryptsetup token remove --token-id N DEVICE`.");
    return *id;
}

std::string sealRecordWithJob(model::Record &record, const base::SecretBuffer &recordKey,
                              const base::SecretBuffer &nextRecordKey) {
    record.job->mac = crypto::hmacSha256(nextRecordKey, record.authenticatedText());
    return sealRecord(record, recordKey);
}

bool isSealedBy(const model::Record &record, const base::SecretBuffer &recordKey) {
    return equalDigests(crypto::hmacSha256(recordKey, record.authenticatedText()), record.mac);
}

std::string sealRecord(model::Record &record, const base::SecretBuffer &recordKey) {
    record.mac = crypto::hmacSha256(recordKey, record.authenticatedText());
    return record.toJson();
}

}  // namespace volumecrypt::volume
