// SPDX-License-Identifier: Apache-2.0
// An opened, locked volume whose interrupted changes are settled: where every verb that edits key
// slots begins.
#pragma once

#include <memory>
#include <string>

#include "base/error.h"
#include "base/result.h"
#include "luks/header_store.h"
#include "volume/comparison.h"
#include "volume/key_ring.h"
#include "volume/reporter.h"
#include "volume/session.h"
#include "volume/slot_changer.h"

namespace volumecrypt::volume {

// Neither copied nor moved: its parts refer to one another.
class SlotSession {
  public:
    // Takes the lock, finishes an interrupted restore of the header, opens the volume, compares it
    // with its pin, repairs a damaged copy of its header and settles what an interrupted run left.
    // `session` has its spec and device. Unsupported when a newer version wrote the record,
    // ForeignVolume (also when another machine made the volume and has not finished a change of its
    // keys); else as openVolume.
    static base::Result<std::unique_ptr<SlotSession>> begin(Session &session);
    SlotSession(const SlotSession &) = delete;
    SlotSession &operator=(const SlotSession &) = delete;
    SlotSession(SlotSession &&) = delete;
    SlotSession &operator=(SlotSession &&) = delete;
    ~SlotSession() = default;

    [[nodiscard]] OpenedVolume &volume() { return volume_; }
    // Another machine made the volume, and nobody said that it is this one's from now on.
    [[nodiscard]] bool isSpared() const;
    [[nodiscard]] KeyRing &ring() { return ring_; }
    [[nodiscard]] SlotChanger &changer() { return *changer_; }
    // Something was written: by the changer, or by the repair.
    [[nodiscard]] bool changed() const { return changer_->changed() || volume_.header.needsRepair; }

  private:
    explicit SlotSession(Session &session) : session_(session), ring_(session) {}
    base::Status open();
    base::Status settle();
    [[nodiscard]] base::Status refuseOthersChange() const;

    Session &session_;
    KeyRing ring_;
    OpenedVolume volume_;
    std::unique_ptr<luks::HeaderStore> store_;
    std::unique_ptr<SlotChanger> changer_;
};

// What the verbs share that change one key: add-key, remove-key and rotate.

// Reads the secrets, then finds declaration and device. Unsupported when the volume is declared
// without encryption.
base::Status prepareKeyEdit(Session &session);

// "volume u-data (/dev/vdb4), slot 3: WHAT"
base::Error slotError(const Session &session, unsigned slot, base::ErrorCode code,
                      const std::string &what, const std::string &hint);
base::Error emptySlot(const Session &session, unsigned slot);

// The end of a verb that changed the key in `slot`.
base::Result<Outcome> keyEdited(const Session &session, unsigned slot, const std::string &text);

}  // namespace volumecrypt::volume
