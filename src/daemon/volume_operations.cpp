// SPDX-License-Identifier: Apache-2.0
// From a method of a volume to the command line of its engine.
#include "daemon/volume_operations.h"

#include <algorithm>
#include <utility>

#include "daemon/mounted.h"
#include "model/names.h"

namespace volumecrypt::daemon {
namespace {

// The engine takes another number for a misspelt command line.
base::Status checkSlot(const Volume &volume, unsigned slot) {
    if (slot < model::kSlotCount) return {};
    return base::fail(base::ErrorCode::NotFound,
                      "volume " + volume.id().text() + ", slot " + std::to_string(slot) +
                          ": there is no such key slot",
                      "LUKS2 has the slots 0 to " + std::to_string(model::kSlotCount - 1));
}

// Where the volume is mounted, by the configuration or by somebody else: to be written to by
// whoever grows the file system.
std::vector<std::string> mountsOf(const Volume &volume) {
    std::vector<std::string> places;
    const auto &mount = volume.spec().mount;
    if (mount && !mount->where.empty()) places.push_back(mount->where);
    const auto mounted = MountedVolumes::read(model::SystemPaths());
    for (auto &where : mounted.places(volume, volume.status()))
        if (std::find(places.begin(), places.end(), where) == places.end())
            places.push_back(std::move(where));
    return places;
}

}  // namespace

void VolumeOperations::plan(const Authorized<action::ManageKeys> &, const VolumePointer &volume,
                            Planned planned) {
    if (auto begun = volume->begin("plan"); !begun)
        return planned(base::fail(std::move(begun).error()));
    engines_.run(volume, {.verb = "plan", .volume = volume->id()}, nullptr,
                 [this, volume, planned = std::move(planned)](base::Result<EngineResult> result) {
                     volume->end();
                     inspector_.catchUp(volume);
                     if (!result) return planned(base::fail(std::move(result).error()));
                     addFindings(result->steps, *result);
                     planned(std::move(result->steps));
                 });
}

base::Result<JobPointer> VolumeOperations::start(const Caller &caller, const VolumePointer &volume,
                                                 const JobMethod &method, JobRequest request) {
    EngineCommand command{.verb = std::string(method.verb),
                          .volume = volume->id(),
                          .secret = std::move(request.secret)};
    if (method.tellsEngine) command.arguments = {"--confirm", volume->id().text()};
    for (const std::string &flag : request.flags) command.arguments.push_back("--" + flag);
    if (request.rate != 0)
        command.arguments.insert(command.arguments.end(), {"--rate", std::to_string(request.rate)});
    if (method.writesMounted) {
        command.files = mountsOf(*volume);
        command.resources = true;
    }
    return engines_.start(volume, std::move(command), caller.uid);
}

void VolumeOperations::addKey(const Authorized<action::ManageKeys> &proof,
                              const VolumePointer &volume, AddedKey key, const SlotAdded &added) {
    EngineCommand command{.verb = "add-key",
                          .volume = volume->id(),
                          .arguments = {"--kind", key.kind},
                          .secret = std::move(key.secret),
                          .unlockSecret = std::move(key.unlockSecret)};
    const auto job = engines_.start(
        volume, std::move(command), proof.caller().uid, [added](base::Result<EngineResult> result) {
            if (!result) return added(base::fail(std::move(result).error()));
            if (!result->slot)
                return added(base::fail(base::ErrorCode::Internal,
                                        "the engine did not say which slot it used",
                                        "See the volume's KeySlots."));
            added(*result->slot);
        });
    if (!job) added(base::fail(job.error()));
}

void VolumeOperations::removeKey(const Authorized<action::ManageKeys> &proof,
                                 const VolumePointer &volume, unsigned slot,
                                 const Finished &finished) {
    if (auto there = checkSlot(*volume, slot); !there) return finished(std::move(there));
    EngineCommand command{.verb = "remove-key",
                          .volume = volume->id(),
                          .arguments = {"--slot", std::to_string(slot)}};
    const auto job = engines_.start(volume, std::move(command), proof.caller().uid,
                                    [finished](base::Result<EngineResult> result) {
                                        if (!result)
                                            return finished(base::fail(std::move(result).error()));
                                        finished({});
                                    });
    if (!job) finished(base::fail(job.error()));
}

base::Result<JobPointer> VolumeOperations::rotateKey(const Authorized<action::ManageKeys> &proof,
                                                     const VolumePointer &volume, unsigned slot) {
    VC_TRY(checkSlot(*volume, slot));
    // The caller need not wait for a job to hear this. What is in undeclared slots the engine
    // knows.
    const auto &encryption = volume->spec().encryption;
    const model::KeySpec *key = encryption ? encryption->keyInSlot(slot) : nullptr;
    if (key != nullptr && !key->isSealed() && key->kind() != model::KeyKind::Unmanaged)
        return base::fail(base::ErrorCode::InvalidConfig,
                          "volume " + volume->id().text() + ", slot " + std::to_string(slot) +
                              ": a " + std::string(model::keyKindName(key->kind())) +
                              " key cannot be made anew here",
                          key->row().howToChange);
    return engines_.start(
        volume,
        {.verb = "rotate", .volume = volume->id(), .arguments = {"--slot", std::to_string(slot)}},
        proof.caller().uid);
}

}  // namespace volumecrypt::daemon
