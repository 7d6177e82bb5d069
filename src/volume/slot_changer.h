// SPDX-License-Identifier: Apache-2.0
// Changes key slots one step at a time: each step is announced in the record before it touches a
// slot, and can be finished or undone after a kill at any write.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/secret_buffer.h"
#include "luks/header_store.h"
#include "model/record.h"
#include "model/sync_plan.h"
#include "volume/key_ring.h"
#include "volume/record_book.h"
#include "volume/session.h"
#include "volume/unlock.h"

namespace volumecrypt::volume {

class SlotChanger {
  public:
    // `unlocked` proves one key; `found` is the authenticated record (a new one is begun when there
    // is none to trust).
    SlotChanger(const Session &session, luks::HeaderStore &store, KeyRing &ring,
                const Unlocked &unlocked, const FoundRecord &found,
                const base::SecretBuffer &recordKey);

    // The mark of this machine, whose volume it is from now on. Written with whatever is written
    // first; a record without one gets it in the end, where there is room.
    void mark(std::string machine);

    // Finishes or undoes what an interrupted run began. Call before anything else.
    base::Status settle();

    // One step of a plan; Keep, Defer and Refuse change nothing.
    base::Status apply(const model::Step &step);

    // AddKey: enrols a key that is not declared in a free slot, with its token when it has one.
    base::Status addUndeclared(unsigned slot, model::KeyKind kind,
                               const base::SecretBuffer &passphrase, const std::string &token = {});
    // RemoveKey: a slot of ours. LastKey when no other key can be proven.
    base::Status removeOurs(unsigned slot);

    // Writes the record when it differs from what is in the header (adopted slots, a new place).
    // `begun`: the header as it was before the steps; it is read anew only when one changed it.
    base::Status finish(const model::HeaderView &begun);

    [[nodiscard]] bool changed() const { return changed_; }
    [[nodiscard]] const model::Record &record() const { return record_; }
    // Where the record is; none before the first was written.
    [[nodiscard]] std::optional<unsigned> token() const { return token_; }

  private:
    base::Status take(const model::Step &step);
    base::Status adopt(const model::Step &step);
    base::Status add(const model::Step &step);
    base::Status addOther(unsigned slot, model::KeyKind kind, const base::SecretBuffer &passphrase,
                          const std::string &token);
    // Undoes an addition that failed for want of space; returns `error`.
    base::Status withdrawAdd(unsigned slot, base::Error error);
    base::Status replace(const model::Step &step);
    // The new key in `spare`, announced and proven: nothing that worked is touched yet.
    base::Status addSpare(const model::KeySpec &key, const keys::NewKey &made, unsigned spare);
    base::Status replaceThroughSpare(const model::KeySpec &key, const keys::NewKey &made,
                                     unsigned spare);
    base::Status replaceInPlace(const model::KeySpec &key, const keys::NewKey &made);
    base::Status remove(unsigned slot);

    // Whether the header has room for every write of a change, asked before the first of them:
    // libcryptsetup says so only when it comes to it. NoSpace.
    base::Status expectRoomToAdd(const model::Pending &pending);
    base::Status expectRoomToRefill(const model::Pending &pending);
    [[nodiscard]] bool hasRoomForSpare(const model::HeaderView &view,
                                       const model::Pending &pending) const;
    [[nodiscard]] std::int64_t recordGrowth(const model::HeaderView &view,
                                            const std::optional<model::Pending> &pending,
                                            const model::Pending &change) const;
    // What the JSON grows by, at its largest, when the slots and tokens that a change leaves take
    // `more` (less, where it is negative) and never less than `atFirst`.
    [[nodiscard]] std::int64_t mostGrowth(const model::HeaderView &view,
                                          const model::Pending &change, std::int64_t atFirst,
                                          std::int64_t more) const;
    [[nodiscard]] std::int64_t refillGrowth(const model::HeaderView &view,
                                            const model::Pending &pending) const;
    base::Status expectTokenNumber(const model::HeaderView &view, const model::Pending &change);
    [[nodiscard]] base::Error noRoom(unsigned slot, const std::string &what) const;
    // Says, of a header that is full, how to make room and what was done before.
    base::Status told(base::Status done) const;

    // Adds the declared key to its (empty) slot, proves it and completes its entry in the record
    // (not yet written).
    base::Status fill(const model::KeySpec &key, const keys::NewKey &made);
    // The token of the key in `slot`: in the place of the one that it has, else in a free one.
    base::Status writeToken(model::KeyKind kind, unsigned slot, const std::string &json);
    // A token goes before its slot: afterwards nothing would say whose it was.
    base::Status dropTokens(unsigned slot);
    // Destroys a slot of ours after another key than its own has been proven.
    base::Status destroyProven(unsigned slot);
    // A key other than that in `slot` opens the volume: from this run's proofs, or by opening one
    // now. LastKey.
    base::Status proveAnother(unsigned slot);
    base::Status announce(model::Pending pending);
    base::Status commit();
    // The record takes the volume's name once no declared nodeID key is made of the former one.
    void takeName(const model::HeaderView &view);
    void takeMark(const model::HeaderView &view);
    base::Status commitIfDifferent(const model::HeaderView &begun);
    // The record as it was, at a number that is free for it.
    base::Status move(unsigned token);
    // What is to become of the slots of a pending change; see settle.
    base::Status settleAll();
    base::Status settlePending();
    base::Status claim(const model::Pending &pending);
    [[nodiscard]] bool isRemovalWanted(unsigned slot) const;
    base::Status settleRemoval(const model::Pending &pending);
    base::Status settleSpare(const model::Pending &pending, const model::HeaderView &view);
    // A key that was added, but not its token: it is finished when the token opens the slot.
    base::Status adoptPending(const model::Pending &pending);
    // The declared key of a pending change with a token, and its passphrase from there; empty when
    // it cannot be had, or is not what is declared any more.
    std::optional<keys::NewKey> pendingKey(const model::Pending &pending);

    // A completed change.
    void log(const char *operation, unsigned slot);
    [[nodiscard]] std::string at(unsigned slot) const;

    const Session &session_;
    luks::HeaderStore &store_;
    KeyRing &ring_;
    const Unlocked &unlocked_;
    const base::SecretBuffer &recordKey_;
    model::Record record_;
    std::optional<unsigned> token_;
    std::vector<unsigned> surplus_;  // copies of the record that an interrupted move left
    std::string mark_;
    std::string written_;  // the record's JSON as it is in the header
    std::set<unsigned> proven_;
    std::vector<std::string> done_;  // "add 1": the changes that this run completed
    std::set<unsigned> begun_;       // slots of one that it has begun
    bool changed_ = false;
};

}  // namespace volumecrypt::volume
