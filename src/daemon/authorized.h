// SPDX-License-Identifier: Apache-2.0
// Authorisation as a type: a use case takes Authorized<Action>, which only Authorizer can make.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include <sys/types.h>

#include "base/result.h"

namespace volumecrypt::daemon {

// The polkit actions (polkit/org.example.VolumeCrypt.policy).
namespace action {
struct Unlock {
    static constexpr std::string_view kId = "org.example.VolumeCrypt.unlock";
};
struct Lock {
    static constexpr std::string_view kId = "org.example.VolumeCrypt.lock";
};
struct ManageKeys {
    static constexpr std::string_view kId = "org.example.VolumeCrypt.manage-keys";
};
struct Format {
    static constexpr std::string_view kId = "org.example.VolumeCrypt.format";
};
struct Grow {
    static constexpr std::string_view kId = "org.example.VolumeCrypt.grow";
};
struct Reencrypt {
    static constexpr std::string_view kId = "org.example.VolumeCrypt.reencrypt";
};
struct Header {
    static constexpr std::string_view kId = "org.example.VolumeCrypt.header";
};
struct Erase {
    static constexpr std::string_view kId = "org.example.VolumeCrypt.erase";
};
struct ManageJobs {
    static constexpr std::string_view kId = "org.example.VolumeCrypt.manage-jobs";
};
struct Reload {
    static constexpr std::string_view kId = "org.example.VolumeCrypt.reload";
};
}  // namespace action

// Who asks. The name is the bus's own and cannot be taken over by another process.
struct Caller {
    std::string name;
    uid_t uid = static_cast<uid_t>(-1);
    bool interactive = false;  // a person may be asked for a password
};

// What for: shown to the person, and readable by polkit rules.
struct Purpose {
    std::string volume;  // ID; empty when it concerns all
    std::string operation;
    std::string device;
};

template <typename Action>
class [[nodiscard]] Authorized {
  public:
    [[nodiscard]] const Caller &caller() const { return caller_; }

  private:
    friend class Authorizer;
    explicit Authorized(Caller caller) : caller_(std::move(caller)) {}
    Caller caller_;
};

// Port: decides, later, whether a caller may.
class Authorizer {
  public:
    using Decided = std::function<void(base::Status)>;

    Authorizer() = default;
    virtual ~Authorizer() = default;
    Authorizer(const Authorizer &) = delete;
    Authorizer &operator=(const Authorizer &) = delete;
    Authorizer(Authorizer &&) = delete;
    Authorizer &operator=(Authorizer &&) = delete;

    // `decided` gets the proof, or NotAuthorized; it is dropped uncalled when the caller has left
    // the bus meanwhile.
    template <typename Action>
    void authorize(const Caller &caller, const Purpose &purpose,
                   std::function<void(base::Result<Authorized<Action>>)> decided) {
        check(caller, Action::kId, purpose,
              [caller, decided = std::move(decided)](base::Status status) {
                  if (!status) return decided(base::fail(std::move(status).error()));
                  decided(Authorized<Action>(caller));
              });
    }

  private:
    virtual void check(const Caller &caller, std::string_view action, const Purpose &purpose,
                       Decided decided) = 0;
};

}  // namespace volumecrypt::daemon
