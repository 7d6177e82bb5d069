// SPDX-License-Identifier: Apache-2.0
// The service as volumecryptctl sees it: plain calls and values, no D-Bus type gets past here.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "base/result.h"
#include "base/unique_fd.h"
#include "cli/volume_info.h"

namespace volumecrypt::cli {

// Something that changed, for `watch`. Exactly one of `volume` and `job` is set.
struct Event {
    std::string volume;  // ID
    std::string job;     // number
    std::string what;    // added, removed, changed, finished
    // Property names (those of the D-Bus interfaces) and their new values in JSON; null: no longer
    // known.
    std::vector<std::pair<std::string, nlohmann::json>> values;
    std::map<std::string, nlohmann::json> old;  // of those that are known and were another
    std::string operation;                      // of a job: "wipe of u-data"
};

// What a method that starts a job is given.
struct JobOptions {
    std::string confirm = {};                // the volume's ID, for what destroys data
    std::vector<std::string> flags = {};     // options that are true: "verify"
    std::uint64_t rate = 0;                  // bytes a second; 0: none
    const base::UniqueFd *secret = nullptr;  // opens the volume where no declared key does
};

// One connection, used from one thread. Errors are those of the service; besides, NotFound when
// there is no service, Io (worth retrying) when the connection breaks.
class Client {
  public:
    // `address` empty: the system bus (DBUS_SYSTEM_BUS_ADDRESS). `interactive`: polkit may ask
    // somebody before it answers.
    static base::Result<Client> connect(const std::string &address, bool interactive);
    Client(Client &&) noexcept;
    Client &operator=(Client &&) noexcept;
    Client(const Client &) = delete;
    Client &operator=(const Client &) = delete;
    ~Client();

    base::Result<ServiceInfo> service();
    base::Result<std::vector<VolumeInfo>> volumes();  // by ID
    base::Result<VolumeInfo> volume(const std::string &id);
    base::Result<std::vector<JobInfo>> jobs();

    base::Result<std::vector<VolumePlan>> plan();
    base::Result<VolumePlan> plan(const std::string &id);
    base::Status reload();
    // The mapping's path. `secret` may be invalid: only the declared keys.
    base::Result<std::string> unlock(const std::string &id, const base::UniqueFd &secret);
    base::Status lock(const std::string &id);
    // Whether the caller may do the operation on the volume; polkit asks, where it has to.
    base::Status authorize(const std::string &id, const std::string &operation);
    // `kind` is passphrase, or recovery with a key from newRecoveryKey.
    // `opening` opens the volume where no declared key does; it may be invalid.
    base::Result<unsigned> addKey(const std::string &id, const std::string &kind,
                                  const base::UniqueFd &secret, const base::UniqueFd &opening = {});
    base::Result<base::UniqueFd> newRecoveryKey(const std::string &id);
    base::Status removeKey(const std::string &id, unsigned slot);
    base::Status cancel(const std::string &number);

    // These start a job and return its number.
    // `id` empty: all volumes, and then no `secret`.
    base::Result<std::string> apply(const std::string &id, const base::UniqueFd &secret);
    // `method` of org.example.VolumeCrypt.Volume, by its name: one that takes nothing but options.
    base::Result<std::string> start(const std::string &id, const char *method,
                                    const JobOptions &how = {});
    base::Result<std::string> rotateKey(const std::string &id, unsigned slot);

    // The message of the job's end. Cancelled when the user interrupts (SIGINT, SIGTERM): the job
    // itself goes on.
    base::Result<std::string> waitForJob(const std::string &number,
                                         const std::function<void(const JobInfo &)> &onProgress);
    // Of a job that has ended, as long as the service knows it.
    std::vector<JobResult> resultsOf(const std::string &number);
    // Until the user interrupts, or `onEvent` returns false.
    base::Status watch(const std::function<bool(const Event &)> &onEvent);

    struct Impl;

  private:
    explicit Client(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace volumecrypt::cli
