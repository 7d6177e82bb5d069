// SPDX-License-Identifier: Apache-2.0
// What the service says of volumes, plans and jobs, as plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "model/volume_state.h"

namespace volumecrypt::cli {

struct SlotInfo {
    unsigned slot = 0;
    std::string kind;  // static, nodeID, kms, tpm, recovery, passphrase, unknown
    bool managed = false;
    bool lockedToState = false;
    std::string health;  // ok, unverified, stale, missing, unavailable
};

struct FailedSync {
    unsigned slot = 0;
    std::string reason;
};

// What was found on the device that is not as declared, or needs somebody's care.
struct VolumeWarning {
    std::string code;
    std::string message;
};

struct VolumeInfo {
    std::string path;  // of its D-Bus object
    std::string id;
    std::string kind;
    std::string device;
    std::string mapping;
    std::string state;
    bool degraded = false;
    bool pinned = false;
    std::string uuid;
    std::string cipher;
    std::string mountPoint;
    bool mounted = false;          // there, by the kernel's table of mounts
    std::string mountFailure;      // that its mount unit failed; empty when it did not
    std::string mountFailureHint;  // where it says why
    std::optional<unsigned> unlockedBy;
    std::vector<SlotInfo> slots;
    std::vector<FailedSync> failedSyncs;
    std::vector<VolumeWarning> warnings;
    std::string errorCode;  // of the last operation that failed; empty: none
    std::string errorMessage;
    std::string errorHint;  // what to do about it

    [[nodiscard]] bool isOpen() const {
        const auto known = model::stateFromName(state);
        return known && model::isOpen(*known, !mapping.empty());
    }
};

struct ConfigProblem {
    std::string file;
    unsigned line = 0;
    unsigned column = 0;
    std::string code;
    std::string message;
};

struct ServiceInfo {
    std::string version;
    bool tpmPresent = false;
    std::vector<ConfigProblem> problems;
    std::vector<ConfigProblem> warnings;  // what is not read, among others
};

struct PlanStep {
    // keep, add, replace, remove, adopt, defer, refuse; of the volume itself, which has no slot:
    // lock, unmount, units, remount, format, unlock, mount, keep, refuse; and warn and note, which
    // are no steps
    std::string action;
    std::optional<unsigned> slot;
    std::string kind;
    std::string reason;

    [[nodiscard]] bool changes() const {
        return action != "keep" && action != "warn" && action != "note";
    }
};

struct VolumePlan {
    std::string id;
    std::vector<PlanStep> steps;
};

// What a job over several volumes did to one of them.
struct JobResult {
    std::string volume;  // empty: of none in particular
    std::string action;  // as in a plan; keys for all steps on slots, fail for what did not work,
                         // warn for what needs somebody's care
    std::string text;
    std::string hint;

    [[nodiscard]] bool failed() const { return action == "fail"; }
    [[nodiscard]] bool warns() const { return action == "warn"; }
};

struct JobInfo {
    std::string path;
    std::string number;  // the last part of the path
    std::string operation;
    std::string volume;    // ID; empty for a job over all volumes
    double progress = -1;  // 0..1; negative: not known
    std::uint64_t bytesDone = 0;
    std::uint64_t bytesTotal = 0;
    std::uint64_t rate = 0;         // bytes a second
    std::uint64_t secondsLeft = 0;  // 0: not known
    std::uint64_t startedAt = 0;    // microseconds of CLOCK_REALTIME
    unsigned startedByUid = 0;
    std::vector<JobResult> results;
    std::string state;             // running, succeeded, failed
    std::uint64_t finishedAt = 0;  // microseconds of CLOCK_REALTIME; 0 while it runs
    std::string error;             // name without the prefix; empty: none
    std::string message;           // of its end; the hint, if any, is its second line
};

}  // namespace volumecrypt::cli
