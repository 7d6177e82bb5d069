// SPDX-License-Identifier: Apache-2.0
// Authorizer that asks polkit.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "bus/callers.h"
#include "bus/sdbus.h"
#include "daemon/authorized.h"

namespace volumecrypt::bus {

// uid 0 may everything, with polkit and without it; so polkit is not asked about it. Every error on
// the way is a refusal. A question whose asker has left is withdrawn. One that is not answered soon
// is asked again, unless a person may be answering it: the bus drops answers to us, without a word
// to anybody, while messages with many descriptors wait for us.
class PolkitAuthorizer : public daemon::Authorizer {
  public:
    PolkitAuthorizer(sdbus::IConnection &bus, BusCallers &callers);

  private:
    using Clock = std::chrono::steady_clock;
    struct Question {
        daemon::Caller caller;
        std::string action;
        std::map<std::string, std::string> details;
        Decided decided;
        Clock::time_point until;             // when it has to be answered
        std::chrono::microseconds patience;  // until it is asked again
        sdbus::PendingAsyncCall call;
    };
    // is_authorized, is_challenge, details
    using Answer = sdbus::Struct<bool, bool, std::map<std::string, std::string>>;

    void check(const daemon::Caller &caller, std::string_view action,
               const daemon::Purpose &purpose, Decided decided) override;
    void ask(Question question);
    void answered(const std::string &id, const CallError &error, const Answer &answer);
    void callerLeft(const std::string &name);
    void withdraw(const std::string &id);

    std::unique_ptr<sdbus::IProxy> polkit_;
    std::map<std::string, Question> questions_;
    std::uint64_t lastId_ = 0;
};

}  // namespace volumecrypt::bus
