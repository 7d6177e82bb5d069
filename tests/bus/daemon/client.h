// SPDX-License-Identifier: Apache-2.0
// A caller on the bus: calls whose errors are values, and signals that can be waited for.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include <sys/types.h>

#include "bus/sdbus.h"

namespace volumecrypt::test {

using Options = std::map<std::string, sdbus::Variant>;

inline constexpr const char *kName = "org.example.VolumeCrypt";
inline constexpr const char *kRoot = "/org/example/VolumeCrypt";
inline constexpr const char *kManager = "org.example.VolumeCrypt.Manager";
inline constexpr const char *kVolume = "org.example.VolumeCrypt.Volume";
inline constexpr const char *kJob = "org.example.VolumeCrypt.Job";

// "" when the call worked, else the error's name without "org.example.VolumeCrypt.Error.".
struct Answer {
    std::string error;
    std::string message;

    [[nodiscard]] bool ok() const { return error.empty(); }
    friend bool operator==(const Answer &answer, const std::string &name) {
        return answer.error == name;
    }
};
void PrintTo(const Answer &answer, std::ostream *out);
Answer answerOf(const sdbus::Error &error);

std::string volumePath(const std::string &id);

struct Finished {
    bool seen = false;
    bool success = false;
    std::string error;
    std::string message;
};

class Client {
  public:
    Client() : connection_(sdbus::createSystemBusConnection()) {}

    [[nodiscard]] sdbus::IConnection &bus() { return *connection_; }

    template <typename... Arguments>
    Answer call(const std::string &path, const char *interface, const char *method,
                const Arguments &...arguments) {
        return attempt([&] {
            proxy(path)
                .callMethod(method)
                .onInterface(interface)
                .withTimeout(kTimeout)
                .withArguments(arguments...);
        });
    }
    template <typename Result, typename... Arguments>
    Answer get(Result &result, const std::string &path, const char *interface, const char *method,
               const Arguments &...arguments) {
        return attempt([&] {
            proxy(path)
                .callMethod(method)
                .onInterface(interface)
                .withTimeout(kTimeout)
                .withArguments(arguments...)
                .storeResultsTo(result);
        });
    }
    // Throws sdbus::Error.
    template <typename Value>
    Value property(const std::string &path, const char *interface, const char *name) {
        return proxy(path).getProperty(name).onInterface(interface).template get<Value>();
    }

    // Remembers all Finished and PropertiesChanged signals of the service from now on.
    void listen();
    // Handles what arrives until `condition` holds; false after `seconds`.
    bool waitFor(const std::function<bool()> &condition, int seconds = 30);
    // Of one job; needs listen() before the job was started.
    Finished finished(const std::string &job, int seconds = 30);
    // Names of changed properties by object path, in the order of arrival.
    [[nodiscard]] const std::multimap<std::string, std::string> &changes() const {
        return changes_;
    }
    [[nodiscard]] const std::vector<std::string> &added() const { return added_; }
    [[nodiscard]] const std::vector<std::string> &removed() const { return removed_; }
    // Calls a method that starts a job, and waits for its end. Needs listen().
    template <typename... Arguments>
    Finished runJob(const std::string &path, const char *interface, const char *method,
                    const Arguments &...arguments) {
        sdbus::ObjectPath job;
        const auto answer = get(job, path, interface, method, arguments...);
        if (!answer.ok())
            return {
                .seen = true, .success = false, .error = answer.error, .message = answer.message};
        return finished(job);
    }

  private:
    static constexpr std::chrono::seconds kTimeout{60};

    static Answer attempt(const std::function<void()> &function);
    sdbus::IProxy &proxy(const std::string &path);

    std::unique_ptr<sdbus::IConnection> connection_;
    std::map<std::string, std::unique_ptr<sdbus::IProxy>> proxies_;
    std::map<std::string, Finished> finished_;
    std::multimap<std::string, std::string> changes_;
    std::vector<std::string> added_;
    std::vector<std::string> removed_;
    std::vector<sdbus::Slot> matches_;
};

// Runs a function with a connection of another user, in a process of its own, beside the caller.
// Made before any thread: a process that is forked beside threads inherits the locks that they
// hold, those of the sanitizers' allocator among them.
class OtherUser {
  public:
    OtherUser(uid_t uid, const std::function<std::string(Client &)> &function);
    ~OtherUser();
    OtherUser(OtherUser &&other) noexcept;
    OtherUser(const OtherUser &) = delete;
    OtherUser &operator=(OtherUser &&) = delete;
    OtherUser &operator=(const OtherUser &) = delete;

    // False when the function is still running after `wait`.
    [[nodiscard]] bool answered(std::chrono::milliseconds wait) const;
    // Waits for it and returns what it returned, or what it threw.
    std::string answer();

  private:
    pid_t pid_ = -1;
    int answer_ = -1;
};
// The same, waited for.
std::string asUser(uid_t uid, const std::function<std::string(Client &)> &function);
inline constexpr uid_t kNobody = 65534;

}  // namespace volumecrypt::test
