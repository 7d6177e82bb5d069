// SPDX-License-Identifier: Apache-2.0
// The operations on one volume that are one engine verb each.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/unique_fd.h"
#include "daemon/authorized.h"
#include "daemon/engine_jobs.h"

namespace volumecrypt::daemon {

// A method of a volume that starts a job of one engine verb, and takes options, maybe a file.
struct JobMethod {
    std::string_view name;
    std::string_view verb;     // of the engine; also what polkit is told and the job is called
    bool confirmed = false;    // option "confirm", the volume's ID: data may be lost
    bool confirmable = false;  // the same option, where the engine may want to hear it
    bool tellsEngine = false;  // and the engine wants to hear it once more
    bool takesHeader = false;  // the file of a header backup, open
    bool takesSecret = false;  // option "secret", which the engine reads
    std::array<std::string_view, 2> flags = {};  // options that are true or false: "--force"
    bool writesMounted = false;                  // the engine writes to where the volume is mounted
    bool takesRate = false;                      // option "rate", bytes a second: "--rate"
};
// With the right that it takes: an operation is started with the proof of that one only.
template <typename Action>
struct JobOperation {
    JobMethod method;
};

// One row an operation; the bus has a line for each in bus/volume.h.
namespace operation {
inline constexpr JobOperation<action::ManageKeys> kSync{
    {.name = "Sync", .verb = "sync", .takesSecret = true, .flags = {"verify", "adopt"}}};
inline constexpr JobOperation<action::Grow> kGrow{
    {.name = "Grow", .verb = "grow", .takesSecret = true, .writesMounted = true}};
inline constexpr JobOperation<action::Reencrypt> kEncrypt{
    {.name = "Encrypt", .verb = "encrypt", .takesSecret = true, .takesRate = true}};
inline constexpr JobOperation<action::Reencrypt> kDecrypt{
    {.name = "Decrypt", .verb = "decrypt", .takesSecret = true, .takesRate = true}};
inline constexpr JobOperation<action::Reencrypt> kRotateVolumeKey{
    {.name = "RotateVolumeKey", .verb = "reencrypt", .takesSecret = true, .takesRate = true}};
inline constexpr JobOperation<action::Header> kBackupHeader{
    {.name = "BackupHeader", .verb = "backup-header", .takesHeader = true}};
inline constexpr JobOperation<action::Header> kRestoreHeader{{.name = "RestoreHeader",
                                                              .verb = "restore-header",
                                                              .confirmable = true,
                                                              .takesHeader = true,
                                                              .takesSecret = true}};
inline constexpr JobOperation<action::Format> kFormat{
    {.name = "Format", .verb = "format", .confirmed = true, .flags = {"force"}}};
inline constexpr JobOperation<action::Erase> kErase{
    {.name = "Erase", .verb = "erase", .confirmed = true, .tellsEngine = true}};
inline constexpr JobOperation<action::Erase> kWipe{
    {.name = "Wipe", .verb = "wipe", .confirmed = true, .tellsEngine = true}};
inline constexpr JobOperation<action::Erase> kForget{
    {.name = "Forget", .verb = "forget", .confirmed = true, .tellsEngine = true}};
}  // namespace operation

struct JobRequest {
    std::vector<std::string> flags;  // those of the method that were set
    bool confirmed = false;          // by the option, where the method is confirmable
    base::UniqueFd secret = {};
    std::uint64_t rate = 0;  // bytes a second; 0: as fast as it goes
    base::UniqueFd header = {};
};

class VolumeOperations {
  public:
    using Steps = std::vector<StepText>;
    using Planned = std::function<void(base::Result<Steps>)>;
    using SlotAdded = std::function<void(base::Result<unsigned>)>;
    using Finished = std::function<void(base::Status)>;

    VolumeOperations(EngineJobs &engines, Inspector &inspector)
        : engines_(engines), inspector_(inspector) {}

    struct AddedKey {
        std::string kind;  // passphrase, recovery
        base::UniqueFd secret;
        base::UniqueFd unlockSecret;  // one that opens the volume; invalid: only the declared keys
    };

    void plan(const Authorized<action::ManageKeys> &proof, const VolumePointer &volume,
              Planned planned);
    // The caller has confirmed, where that is needed.
    template <typename Action>
    base::Result<JobPointer> start(const Authorized<Action> &proof, const VolumePointer &volume,
                                   const JobOperation<Action> &operation, JobRequest request) {
        return start(proof.caller(), volume, operation.method, std::move(request));
    }
    void addKey(const Authorized<action::ManageKeys> &proof, const VolumePointer &volume,
                AddedKey key, const SlotAdded &added);
    void removeKey(const Authorized<action::ManageKeys> &proof, const VolumePointer &volume,
                   unsigned slot, const Finished &finished);
    base::Result<JobPointer> rotateKey(const Authorized<action::ManageKeys> &proof,
                                       const VolumePointer &volume, unsigned slot);

  private:
    base::Result<JobPointer> start(const Caller &caller, const VolumePointer &volume,
                                   const JobMethod &method, JobRequest request);

    EngineJobs &engines_;
    Inspector &inspector_;
};

}  // namespace volumecrypt::daemon
