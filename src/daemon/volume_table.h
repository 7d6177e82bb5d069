// SPDX-License-Identifier: Apache-2.0
// The declared volumes and what is known of each: the model behind the bus objects.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "config/loader.h"
#include "daemon/engine_message.h"
#include "model/volume_spec.h"
#include "model/volume_state.h"

namespace volumecrypt::daemon {

// The published properties of a volume.
struct VolumeStatus {
    std::string device;
    std::string mapping;
    model::VolumeState state = model::VolumeState::Failed;  // not found out yet
    bool degraded = false;
    bool pinned = false;
    std::string uuid;
    std::string cipher;
    std::string mountPoint;
    bool mounted = false;      // by the kernel's table of mounts
    std::string mountFailure;  // why its mount unit failed; empty when it did not
    int unlockedBySlot = -1;
    std::vector<SlotReport> slots;
    std::vector<std::pair<unsigned, std::string>> failedSyncs;
    std::vector<std::pair<std::string, std::string>> warnings;  // of the last inspection
    std::string errorCode;                                      // LastError
    std::string errorMessage;
    std::string errorVerb;  // what failed: not published

    [[nodiscard]] bool isOpen() const { return model::isOpen(state, !mapping.empty()); }

    friend bool operator==(const VolumeStatus &, const VolumeStatus &) = default;
};

// Shared, since an operation may still run on a volume that has just left the configuration.
class Volume {
  public:
    explicit Volume(model::VolumeSpec spec) : spec_(std::move(spec)) {}

    [[nodiscard]] const model::VolumeId &id() const { return spec_.id; }
    [[nodiscard]] const model::VolumeSpec &spec() const { return spec_; }
    [[nodiscard]] const VolumeStatus &status() const { return status_; }
    // What runs on it now, such as "sync"; empty when nothing does. Operations never overlap.
    [[nodiscard]] const std::string &operation() const { return operation_; }
    // Busy when another one runs.
    base::Status begin(const std::string &operation);
    void end() { operation_.clear(); }
    // Its status was found out once; until then nobody is told of it.
    [[nodiscard]] bool published() const { return published_; }
    // Its file system can be mounted now: it is unlocked, or declared without encryption.
    [[nodiscard]] bool isUnlocked() const;
    // Lock was called: an Apply leaves it locked until Unlock is. Set by LockMarks.
    [[nodiscard]] bool lockedOnPurpose() const { return lockedOnPurpose_; }
    void setLockedOnPurpose(bool value) { lockedOnPurpose_ = value; }
    // What an inspection found in the header. Nothing is known of the keys of another volume than
    // before, unless it was told since the last inspection: then that is what has changed it.
    void setInspectedSlots(std::vector<SlotReport> slots, bool sameVolume);
    // The slots with the health of their keys, as far as it is known.
    [[nodiscard]] std::vector<SlotReport> slots() const;
    // Every name of a device that belongs to it.
    [[nodiscard]] std::vector<std::string> devices() const;
    // Those that are plain files, for the sandbox of its engines.
    [[nodiscard]] std::vector<std::string> files() const;
    // The files of its keys, and what those are links to.
    [[nodiscard]] std::vector<std::string> keyFiles() const;
    // It has keys that a KMS keeps.
    [[nodiscard]] bool needsNetwork() const;

  private:
    friend class VolumeTable;
    model::VolumeSpec spec_;
    VolumeStatus status_;
    std::string operation_;
    bool published_ = false;
    bool lockedOnPurpose_ = false;
    std::vector<SlotReport> inspected_;
    KeyHealths tested_;         // since the configuration was read
    bool newlyTested_ = false;  // since the last inspection
};

using VolumePointer = std::shared_ptr<Volume>;

class VolumeObserver {
  public:
    VolumeObserver() = default;
    virtual ~VolumeObserver() = default;
    VolumeObserver(const VolumeObserver &) = delete;
    VolumeObserver &operator=(const VolumeObserver &) = delete;
    VolumeObserver(VolumeObserver &&) = delete;
    VolumeObserver &operator=(VolumeObserver &&) = delete;
    virtual void volumeAdded(const VolumePointer &volume) = 0;
    virtual void volumeChanged(const Volume &volume, const VolumeStatus &before) = 0;
    virtual void volumeRemoved(const model::VolumeId &id) = 0;
    virtual void configErrorsChanged() = 0;
};

class VolumeTable {
  public:
    void observe(VolumeObserver *observer) { observer_ = observer; }

    // Takes over a configuration. While it has errors, a volume that is missing from it stays as it
    // was: its document may be the one with the error.
    void configure(config::Configuration configuration);
    [[nodiscard]] const std::vector<config::Problem> &problems() const { return problems_; }
    [[nodiscard]] bool hasErrors() const;

    [[nodiscard]] VolumePointer find(const std::string &id) const;
    [[nodiscard]] std::vector<VolumePointer> all() const;

    // Takes a new status, and tells of it when it differs.
    void update(Volume &volume, VolumeStatus status);
    // Tells of the volume itself; once.
    void publish(Volume &volume);
    // What an engine saw of the declared keys.
    void learnKeys(Volume &volume, const KeyHealths &keys);
    // A failed operation; a refused request is left out.
    void setLastError(Volume &volume, const std::string &verb, const base::Error &error);
    // After a success of `verb`: clears the error if that shows that it is over.
    void clearLastError(Volume &volume, const std::string &verb);

  private:
    void reconfigure(Volume &volume, model::VolumeSpec spec);
    // Whether the observer knows it.
    [[nodiscard]] bool isShown(const Volume &volume) const;

    std::map<std::string, VolumePointer> volumes_;
    std::vector<config::Problem> problems_;
    VolumeObserver *observer_ = nullptr;
};

// "MESSAGE" or "MESSAGE\nHINT": how errors travel on D-Bus.
std::string fullText(const base::Error &error);
// "MESSAGE; HINT", for the journal and as a part of other texts.
std::string oneLine(const base::Error &error);

// Which failures are a volume's LastError, and which success ends it. Verbs are those of engines,
// with unlock and lock.

// A request that was refused says something of the request, nothing of the volume. `isOpen`: the
// volume is unlocked.
bool isRefusal(std::string_view verb, base::ErrorCode code, bool isOpen);

// Whether the success of `verb` shows that what made `failed` fail is over.
bool endsError(std::string_view verb, std::string_view failed);

}  // namespace volumecrypt::daemon
