// SPDX-License-Identifier: Apache-2.0
// detach: close the mapping. Needs no configuration: a volume that left it must still close at
// shutdown.
#include <string>

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/journal.h"
#include "engine/verbs.h"
#include "luks/mapping.h"
#include "model/names.h"

namespace volumecrypt::engine {
namespace {

bool deviceExists(dev_t number) {
    const std::string path =
        "/sys/dev/block/" + std::to_string(major(number)) + ":" + std::to_string(minor(number));
    struct stat info {};
    return ::stat(path.c_str(), &info) == 0;
}

}  // namespace

base::Result<volume::Outcome> detach(volume::Session &session) {
    const std::string name = model::mappingName(session.id());
    volume::Outcome outcome;
    outcome.state = model::VolumeState::Locked;
    auto mapping = luks::findMapping(name);
    if (!mapping)
        return base::fail(std::move(mapping).error().because("volume " + session.id().text()));
    if (!*mapping) return outcome;
    // Unplugged: nothing can be saved any more, so the name is freed as soon as its last user lets
    // go.
    const bool gone = (*mapping)->isCrypt && !deviceExists((*mapping)->backingDevice);
    if (auto closed = luks::deactivate(name, gone); !closed)
        return base::fail(std::move(closed).error().because("volume " + session.id().text()));
    outcome.changed = true;
    if (gone) outcome.state = model::VolumeState::Absent;
    base::log(base::Severity::Notice, "Locked volume " + session.id().text(),
              {{"MESSAGE_ID", std::string(base::message_id::kVolumeLocked)},
               {"VOLUME", session.id().text()},
               {"OPERATION", "detach"}});
    return outcome;
}

}  // namespace volumecrypt::engine
