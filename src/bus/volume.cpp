// SPDX-License-Identifier: Apache-2.0
// Thin methods: read the arguments, pass the gate, call the use case, reply.
#include "bus/volume.h"

#include <utility>

#include "bus/options.h"
#include "model/key_kind.h"

namespace volumecrypt::bus {
namespace {

constexpr const char *kSecretOperations =
    "the operations that take a secret are unlock, sync, apply, add-key, grow, encrypt, "
    "decrypt, rotate-volume-key and restore-header";

using HeldKey = std::shared_ptr<daemon::VolumeOperations::AddedKey>;

// A recovery key waits until it is enrolled: when no declared key opens the volume, nobody has to
// write down another one.
void addKey(daemon::UseCases &use, const daemon::Authorized<daemon::action::ManageKeys> &proof,
            const daemon::VolumePointer &volume, const HeldKey &held,
            const Reply<std::uint32_t> &reply) {
    const bool isRecovery = held->kind == "recovery";
    const auto add = [&use, reply, volume, held, isRecovery,
                      proof](base::Result<base::UniqueFd> key) {
        if (!key) return reply.fail(key.error());
        held->secret = std::move(*key);
        use.operations.addKey(
            proof, volume, std::move(*held),
            [&use, reply, volume, isRecovery, proof](const base::Result<unsigned> &slot) {
                if (!slot) return reply.fail(slot.error());
                if (isRecovery) use.recoveryKeys.enrolled(proof.caller(), volume->id());
                reply.succeed(*slot);
            });
    };
    if (!isRecovery) return add(std::move(held->secret));
    use.recoveryKeys.take(proof.caller(), volume->id(), std::move(held->secret), add);
}

}  // namespace

BusVolume::BusVolume(sdbus::IConnection &bus, BusGate &gate, daemon::UseCases &use,
                     daemon::VolumePointer volume)
    : AdaptorInterfaces(bus, volumePath(volume->id().text())),
      gate_(gate),
      use_(use),
      volume_(std::move(volume)) {
    registerAdaptor();
    emitInterfacesAddedSignal();
}

BusVolume::~BusVolume() {
    daemon::guarded([this] { emitInterfacesRemovedSignal(); });
    unregisterAdaptor();
}

void BusVolume::changed(const daemon::VolumeStatus &before) {
    const auto &now = volume_->status();
    std::vector<PropertyName> names;
    const auto compare = [&names](const char *name, const auto &a, const auto &b) {
        if (!(a == b)) names.emplace_back(name);
    };
    compare("Device", before.device, now.device);
    compare("Mapping", before.mapping, now.mapping);
    compare("State", before.state, now.state);
    compare("Degraded", before.degraded, now.degraded);
    compare("Pinned", before.pinned, now.pinned);
    compare("Uuid", before.uuid, now.uuid);
    compare("Cipher", before.cipher, now.cipher);
    compare("MountPoint", before.mountPoint, now.mountPoint);
    compare("Mounted", before.mounted, now.mounted);
    compare("MountFailure", before.mountFailure, now.mountFailure);
    compare("UnlockedBySlot", before.unlockedBySlot, now.unlockedBySlot);
    compare("KeySlots", before.slots, now.slots);
    compare("FailedSyncs", before.failedSyncs, now.failedSyncs);
    compare("Warnings", before.warnings, now.warnings);
    compare("LastError", std::pair(before.errorCode, before.errorMessage),
            std::pair(now.errorCode, now.errorMessage));
    if (names.empty()) return;
    daemon::guarded([&] { emitPropertiesChangedSignal(Adaptor::INTERFACE_NAME, names); });
}

std::vector<BusVolume::Slot> BusVolume::KeySlots() {
    std::vector<Slot> slots;
    for (const auto &slot : volume_->status().slots)
        slots.emplace_back(slot.slot, busText(slot.kind), slot.managed, slot.lockedToState,
                           busText(slot.health));
    return slots;
}

std::vector<sdbus::Struct<std::uint32_t, std::string>> BusVolume::FailedSyncs() {
    std::vector<sdbus::Struct<std::uint32_t, std::string>> failed;
    for (const auto &[slot, reason] : volume_->status().failedSyncs)
        failed.emplace_back(slot, busText(reason));
    return failed;
}

std::vector<sdbus::Struct<std::string, std::string>> BusVolume::Warnings() {
    std::vector<sdbus::Struct<std::string, std::string>> warnings;
    for (const auto &[code, message] : volume_->status().warnings)
        warnings.emplace_back(busText(code), busText(message));
    return warnings;
}

sdbus::Struct<std::string, std::string> BusVolume::LastError() {
    return {busText(volume_->status().errorCode), busText(volume_->status().errorMessage)};
}

daemon::Purpose BusVolume::purpose(std::string_view operation) const {
    return {.volume = volume_->id().text(),
            .operation = std::string(operation),
            .device = busText(volume_->status().device)};
}

daemon::JobRequest BusVolume::readRequest(const Options &options,
                                          const daemon::JobMethod &method) const {
    std::vector<std::string_view> flags(method.flags.begin(), method.flags.end());
    std::erase(flags, "");
    std::vector<std::string_view> known = flags;
    if (method.confirmed || method.confirmable) known.emplace_back("confirm");
    if (method.takesSecret) known.emplace_back("secret");
    if (method.takesRate) known.emplace_back("rate");
    checkOptions(options, known);
    daemon::JobRequest request;
    request.confirmed = method.confirmable && options.contains("confirm");
    if (method.confirmed || request.confirmed)
        checkConfirmed(options, volume_->id().text(), method.name);
    for (const auto flag : flags)
        if (flagOption(options, std::string(flag))) request.flags.emplace_back(flag);
    if (method.takesSecret) request.secret = fdOption(options, "secret");
    if (method.takesRate) request.rate = numberOption(options, "rate");
    return request;
}

template <typename Action>
void BusVolume::only(const Reply<> &reply, const daemon::Purpose &purpose) {
    gate_.pass<Action>(getObject(), reply, purpose,
                       [reply](const daemon::Authorized<Action> &) { reply.succeed(); });
}

void BusVolume::Authorize(sdbus::Result<> &&result, std::string operation, Options options) {
    answering([&] {
        checkOptions(options, {});
        const Reply<> reply(std::move(result));
        const auto asked = purpose(operation);
        if (operation == "unlock") return only<daemon::action::Unlock>(reply, asked);
        if (operation == "sync" || operation == "add-key")
            return only<daemon::action::ManageKeys>(reply, asked);
        // As Manager.Apply asks.
        if (operation == "apply")
            return only<daemon::action::ManageKeys>(reply, {.operation = operation});
        if (operation == "grow") return only<daemon::action::Grow>(reply, asked);
        if (operation == "encrypt" || operation == "decrypt" || operation == "rotate-volume-key")
            return only<daemon::action::Reencrypt>(reply, asked);
        if (operation == "restore-header") return only<daemon::action::Header>(reply, asked);
        refuseArgument(kSecretOperations);
    });
}

void BusVolume::Unlock(sdbus::Result<std::string> &&result, Options options) {
    answering([&] {
        checkOptions(options, {"secret"});
        // Shared, since a std::function has to be copyable.
        const auto secret = std::make_shared<base::UniqueFd>(fdOption(options, "secret"));
        const Reply<std::string> reply(std::move(result));
        gate_.pass<daemon::action::Unlock>(
            getObject(), reply, purpose("unlock"),
            [&use = use_, reply, secret,
             volume = volume_](const daemon::Authorized<daemon::action::Unlock> &proof) {
                use.unlocker.unlock(proof, volume, std::move(*secret),
                                    [reply](const base::Result<std::string> &mapping) {
                                        if (!mapping) return reply.fail(mapping.error());
                                        reply.succeed(busText(*mapping));
                                    });
            });
    });
}

void BusVolume::Lock(sdbus::Result<> &&result, Options options) {
    answering([&] {
        checkOptions(options, {});
        const Reply<> reply(std::move(result));
        gate_.pass<daemon::action::Lock>(
            getObject(), reply, purpose("lock"),
            [&use = use_, reply,
             volume = volume_](const daemon::Authorized<daemon::action::Lock> &proof) {
                use.unlocker.lock(proof, volume, [reply](const base::Status &status) {
                    if (!status) return reply.fail(status.error());
                    reply.succeed();
                });
            });
    });
}

void BusVolume::Plan(sdbus::Result<StepMaps> &&result) {
    answering([&] {
        const Reply<StepMaps> reply(std::move(result));
        gate_.pass<daemon::action::ManageKeys>(
            getObject(), reply, purpose("plan"),
            [&use = use_, reply,
             volume = volume_](const daemon::Authorized<daemon::action::ManageKeys> &proof) {
                use.operations.plan(
                    proof, volume,
                    [reply](const base::Result<daemon::VolumeOperations::Steps> &steps) {
                        if (!steps) return reply.fail(steps.error());
                        reply.succeed(toMaps(*steps));
                    });
            });
    });
}

void BusVolume::AddKey(sdbus::Result<std::uint32_t> &&result, std::string kind,
                       sdbus::UnixFd secret, Options options) {
    answering([&] {
        checkOptions(options, {"unlockSecret"});
        if (!model::keyKindFromName(kind, &model::KeyKindRow::addable))
            refuseArgument("the kind of an added key is " +
                           model::kindNames(&model::KeyKindRow::addable, "or"));
        const auto held = std::make_shared<daemon::VolumeOperations::AddedKey>();
        held->kind = kind;
        held->secret = ownFd(secret);
        held->unlockSecret = fdOption(options, "unlockSecret");
        const Reply<std::uint32_t> reply(std::move(result));
        gate_.pass<daemon::action::ManageKeys>(
            getObject(), reply, purpose("add-key"),
            [&use = use_, reply, held,
             volume = volume_](const daemon::Authorized<daemon::action::ManageKeys> &proof) {
                addKey(use, proof, volume, held, reply);
            });
    });
}

void BusVolume::RemoveKey(sdbus::Result<> &&result, std::uint32_t slot, Options options) {
    answering([&] {
        checkOptions(options, {});
        const Reply<> reply(std::move(result));
        gate_.pass<daemon::action::ManageKeys>(
            getObject(), reply, purpose("remove-key"),
            [&use = use_, reply, slot,
             volume = volume_](const daemon::Authorized<daemon::action::ManageKeys> &proof) {
                use.operations.removeKey(proof, volume, slot, [reply](const base::Status &status) {
                    if (!status) return reply.fail(status.error());
                    reply.succeed();
                });
            });
    });
}

void BusVolume::RotateKey(JobReply &&result, std::uint32_t slot, Options options) {
    answering([&] {
        checkOptions(options, {});
        startJob<daemon::action::ManageKeys>(
            std::move(result), "rotate-key",
            [&use = use_, slot](const auto &proof, const daemon::VolumePointer &volume) {
                return use.operations.rotateKey(proof, volume, slot);
            });
    });
}

void BusVolume::NewRecoveryKey(sdbus::Result<sdbus::UnixFd> &&result, Options options) {
    answering([&] {
        checkOptions(options, {});
        const Reply<sdbus::UnixFd> reply(std::move(result));
        gate_.pass<daemon::action::ManageKeys>(
            getObject(), reply, purpose("new-recovery-key"),
            [&use = use_, reply,
             volume = volume_](const daemon::Authorized<daemon::action::ManageKeys> &proof) {
                const auto key = use.recoveryKeys.make(proof.caller().name, volume->id());
                if (!key) return reply.fail(key.error());
                reply.succeed(sdbus::UnixFd(key->get()));
            });
    });
}

}  // namespace volumecrypt::bus
