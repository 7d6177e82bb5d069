// SPDX-License-Identifier: Apache-2.0
// The way of every method call that needs authorisation: place, caller, polkit, use case, reply.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "bus/callers.h"
#include "bus/guard.h"
#include "bus/sdbus.h"
#include "bus/values.h"
#include "daemon/authorized.h"
#include "daemon/call_limits.h"

namespace volumecrypt::bus {

// The answer to one call; copies answer the same call. The first answer counts.
template <typename... Values>
class Reply {
  public:
    // Implicit: the generated methods hand over a Result.
    Reply(sdbus::Result<Values...> &&result)  // NOLINT(google-explicit-constructor)
        : result_(std::make_shared<sdbus::Result<Values...>>(std::move(result))) {}

    void succeed(const Values &...values) const {
        daemon::guarded([&] { result_->returnResults(values...); });
    }
    void fail(const base::Error &error) const { fail(toBusError(error)); }
    void fail(const sdbus::Error &error) const {
        daemon::guarded([&] { result_->returnError(error); });
    }

  private:
    std::shared_ptr<sdbus::Result<Values...>> result_;
};

class BusGate {
  public:
    BusGate(BusCallers &callers, daemon::Authorizer &authorizer);

    // To be called in the method's handler itself, where the message is still at hand. `then` runs
    // once the caller is authorised; it is dropped when the caller leaves before that.
    template <typename Action, typename... Values>
    void pass(const sdbus::IObject &object, const Reply<Values...> &reply,
              const daemon::Purpose &purpose,
              std::function<void(const daemon::Authorized<Action> &)> then) {
        auto refuse = [reply](const sdbus::Error &error) { reply.fail(error); };
        admit(
            callerOf(object), refuse,
            [this, purpose, refuse, then = std::move(then)](
                const daemon::Caller &caller, const daemon::CallLimits::Ticket &ticket) {
                authorizer_.authorize<Action>(
                    caller, purpose,
                    [refuse, then, ticket](const base::Result<daemon::Authorized<Action>> &proof) {
                        if (!proof) return refuse(toBusError(proof.error()));
                        runGuarded([&] { then(*proof); }, refuse);
                    });
            });
    }

  private:
    using Refuse = std::function<void(const sdbus::Error &)>;
    using Admitted =
        std::function<void(const daemon::Caller &, const daemon::CallLimits::Ticket &)>;

    static daemon::Caller callerOf(const sdbus::IObject &object);
    static void runGuarded(const std::function<void()> &function, const Refuse &refuse);
    void admit(daemon::Caller caller, const Refuse &refuse, Admitted admitted);

    BusCallers &callers_;
    daemon::Authorizer &authorizer_;
    daemon::CallLimits connections_;
    daemon::CallLimits users_;
};

}  // namespace volumecrypt::bus
