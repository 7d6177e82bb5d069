// SPDX-License-Identifier: Apache-2.0
// Load, log what is wrong, look at every volume.
#include "daemon/configuration.h"

#include "base/journal.h"
#include "config/loader.h"

namespace volumecrypt::daemon {

void Configurator::reload(const Authorized<action::Reload> &proof) {
    base::log(base::Severity::Info,
              "Reading the configuration for uid " + std::to_string(proof.caller().uid),
              {{"OPERATION", "reload"}, {"CALLER_UID", std::to_string(proof.caller().uid)}});
    load();
}

void Configurator::load() {
    volumes_.configure(config::load(paths_, config::Secrets::Drop));
    for (const auto &problem : volumes_.problems())
        base::log(
            problem.level == config::Level::Error ? base::Severity::Error : base::Severity::Warning,
            problem.text(),
            {{"VOLUME", problem.volume}, {"CODE", std::string(base::errorName(problem.code))}});
    for (const auto &volume : volumes_.all()) inspector_.request(volume);
}

}  // namespace volumecrypt::daemon
