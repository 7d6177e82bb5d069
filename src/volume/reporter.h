// SPDX-License-Identifier: Apache-2.0
// What the engine says: JSON lines for programs, or lines of text for people and the journal.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "model/sync_plan.h"
#include "model/volume_state.h"
#include "volume/options.h"

namespace volumecrypt::volume {

// The end of a verb that worked.
struct Outcome {
    model::VolumeState state = model::VolumeState::Failed;
    bool changed = false;
    nlohmann::json extra = nlohmann::json::object();  // further members of the result line
    std::string text;  // for people; empty: a sentence from the state
    int exitStatus = kExitDone;
};

nlohmann::json stepJson(const model::Step &step);

class Reporter {
  public:
    // `verb` as typed.
    Reporter(std::string verb, std::string volume, OutputFormat format);

    // The last line is also written to this file, in JSON: the daemon learns from it how engines
    // ended that it did not start. Empty: to no file.
    void leaveOutcome(std::string path) { outcomePath_ = std::move(path); }

    void step(const model::Step &step);
    void progress(std::uint64_t done, std::uint64_t total);  // bytes
    // The result has them all once more.
    void warning(base::ErrorCode code, const std::string &message);
    // What this run saw of the declared key of a slot, for the last line: ok (it opened the slot),
    // stale (it did not), unavailable (it could not be had). The last word on a slot counts.
    void key(unsigned slot, model::SlotHealth health) { keys_[slot] = health; }
    // They were tried on a header that is not the volume's.
    void forgetKeys() { keys_.clear(); }
    // The last line; both return the exit status.
    int result(const Outcome &outcome);
    int error(const base::Error &error);

  private:
    void line(const nlohmann::json &object);
    void keep(const nlohmann::json &object) const;
    // The member `keys`; none when no key was tried.
    void addKeys(nlohmann::json &object) const;

    std::string verb_;
    std::string volume_;
    OutputFormat format_;
    std::string outcomePath_;
    std::map<unsigned, model::SlotHealth> keys_;
    nlohmann::json warnings_ = nlohmann::json::array();
};

}  // namespace volumecrypt::volume
