// SPDX-License-Identifier: Apache-2.0
// org.freedesktop.PolicyKit1.Authority, asynchronously.
#include "bus/polkit.h"

#include <chrono>
#include <utility>
#include <vector>

#include "base/journal.h"
#include "bus/guard.h"

namespace volumecrypt::bus {
namespace {

constexpr const char *kPolkitName = "org.freedesktop.PolicyKit1";
constexpr const char *kPolkitPath = "/org/freedesktop/PolicyKit1/Authority";
constexpr const char *kAuthority = "org.freedesktop.PolicyKit1.Authority";
constexpr std::uint32_t kAllowUserInteraction = 1;
// A person types; a hung agent must not hold the caller's places for ever.
constexpr std::chrono::minutes kInteractiveTimeout{5};
constexpr std::chrono::seconds kTimeout{25};
// Doubled each time, so that a slow polkit is not held up by our asking.
constexpr std::chrono::milliseconds kFirstPatience{400};

using Subject = sdbus::Struct<std::string, std::map<std::string, sdbus::Variant>>;

bool isAbsent(const sdbus::Error &error) {
    const auto &name = error.getName();
    return name == "org.freedesktop.DBus.Error.ServiceUnknown" ||
           name == "org.freedesktop.DBus.Error.NameHasNoOwner" ||
           name.starts_with("org.freedesktop.DBus.Error.Spawn.");
}

base::Error refusal(const std::string &action, const std::string &why, const std::string &hint) {
    return {base::ErrorCode::NotAuthorized, "not authorised for " + action + ": " + why, hint};
}

std::string allowing(const std::string &action) {
    return "To allow it without asking, answer " + action +
           " in a rule of /etc/polkit-1/rules.d: org.example.VolumeCrypt(5) has an example.";
}

void logRefusal(const daemon::Caller &caller, const daemon::Purpose &purpose,
                const std::string &action) {
    base::log(base::Severity::Info,
              purpose.operation + " refused: uid " + std::to_string(caller.uid) +
                  " is not authorised for " + action,
              {{"MESSAGE_ID", std::string(base::message_id::kAuthorization)},
               {"VOLUME", purpose.volume},
               {"OPERATION", purpose.operation},
               {"POLKIT_ACTION", action},
               {"CALLER_UID", std::to_string(caller.uid)}});
}

}  // namespace

PolkitAuthorizer::PolkitAuthorizer(sdbus::IConnection &bus, BusCallers &callers)
    : polkit_(makeProxy(bus, kPolkitName, kPolkitPath)) {
    callers.onLeft([this](const std::string &name) { callerLeft(name); });
}

void PolkitAuthorizer::check(const daemon::Caller &caller, std::string_view action,
                             const daemon::Purpose &purpose, Decided decided) {
    if (caller.uid == 0) return decided({});
    const std::string actionText(action);
    Question question;
    question.caller = caller;
    question.action = actionText;
    question.details = {{"operation", purpose.operation}, {"volume", purpose.volume}};
    if (!purpose.device.empty()) question.details["device"] = purpose.device;
    question.decided = [caller, purpose, actionText,
                        decided = std::move(decided)](base::Status status) {
        if (!status) logRefusal(caller, purpose, actionText);
        decided(std::move(status));
    };
    question.until = Clock::now() + kTimeout;
    question.patience = kFirstPatience;
    if (caller.interactive) question.patience = kInteractiveTimeout;
    ask(std::move(question));
}

void PolkitAuthorizer::ask(Question question) {
    // A new one each time: polkit takes none that it may still be thinking about.
    const auto id = "volumecrypt-" + std::to_string(++lastId_);
    auto &asked = questions_.emplace(id, std::move(question)).first->second;
    const Subject subject{"system-bus-name", {{"name", sdbus::Variant(asked.caller.name)}}};
    const std::uint32_t flags = asked.caller.interactive ? kAllowUserInteraction : 0;
    asked.call = polkit_->callMethodAsync("CheckAuthorization")
                     .onInterface(kAuthority)
                     .withTimeout(asked.patience)
                     .withArguments(subject, asked.action, asked.details, flags, id)
                     .uponReplyInvoke([this, id](CallError error, const Answer &answer) {
                         daemon::guarded([&] { answered(id, error, answer); });
                     });
}

void PolkitAuthorizer::answered(const std::string &id, const CallError &error,
                                const Answer &answer) {
    const auto found = questions_.find(id);
    if (found == questions_.end()) return;
    auto question = std::move(found->second);
    questions_.erase(found);
    if (error) {
        if (isAbsent(*error))
            return question.decided(
                base::fail(refusal(question.action, "polkit is not there to ask",
                                   "Run it as root, or start polkit (polkit.service).")));
        withdraw(id);
        if (isUnanswered(*error) && !question.caller.interactive && Clock::now() < question.until) {
            question.patience *= 2;
            return ask(std::move(question));
        }
        return question.decided(base::fail(
            refusal(question.action, "polkit did not decide: " + error->getMessage(), "")));
    }
    if (answer.get<0>()) return question.decided({});
    const bool dismissed = answer.get<2>().contains("polkit.dismissed");
    if (dismissed)
        return question.decided(
            base::fail(refusal(question.action, "the question was dismissed",
                               "Try again and authenticate as an administrator, or run it as "
                               "root.")));
    if (answer.get<1>())
        return question.decided(
            base::fail(refusal(question.action, "an administrator has to authenticate for it",
                               "Run it as root, or at a terminal, where polkit can ask. " +
                                   allowing(question.action))));
    question.decided(base::fail(refusal(question.action, "polkit's rules refuse it",
                                        "Run it as root. " + allowing(question.action))));
}

void PolkitAuthorizer::callerLeft(const std::string &name) {
    for (auto at = questions_.begin(); at != questions_.end();) {
        if (at->second.caller.name != name) {
            ++at;
            continue;
        }
        at->second.call.cancel();
        withdraw(at->first);
        at = questions_.erase(at);
    }
}

void PolkitAuthorizer::withdraw(const std::string &id) {
    polkit_->callMethodAsync("CancelCheckAuthorization")
        .onInterface(kAuthority)
        .withArguments(id)
        // It may have been answered meanwhile: nothing to do about an error.
        .uponReplyInvoke([](CallError) {});
}

}  // namespace volumecrypt::bus
