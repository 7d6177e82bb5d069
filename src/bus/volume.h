// SPDX-License-Identifier: Apache-2.0
// org.example.VolumeCrypt.Volume of one volume.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bus/gate.h"
#include "bus/options.h"
#include "bus/text.h"
#include "daemon/use_cases.h"
#include "volume-adaptor.h"

namespace volumecrypt::bus {

class BusVolume final
    : public sdbus::AdaptorInterfaces<org::example::VolumeCrypt::Volume_adaptor,
                                      sdbus::Properties_adaptor, sdbus::ManagedObject_adaptor> {
  public:
    BusVolume(sdbus::IConnection &bus, BusGate &gate, daemon::UseCases &use,
              daemon::VolumePointer volume);
    virtual ~BusVolume();
    BusVolume(const BusVolume &) = delete;
    BusVolume &operator=(const BusVolume &) = delete;
    BusVolume(BusVolume &&) = delete;
    BusVolume &operator=(BusVolume &&) = delete;

    void changed(const daemon::VolumeStatus &before);

  private:
    using Adaptor = org::example::VolumeCrypt::Volume_adaptor;
    using JobReply = sdbus::Result<sdbus::ObjectPath>;
    using Slot = sdbus::Struct<std::uint32_t, std::string, bool, bool, std::string>;

    void Authorize(sdbus::Result<> &&result, std::string operation, Options options) override;
    void Unlock(sdbus::Result<std::string> &&result, Options options) override;
    void Lock(sdbus::Result<> &&result, Options options) override;
    void Plan(sdbus::Result<StepMaps> &&result) override;
    void Sync(JobReply &&result, Options options) override {
        start(std::move(result), options, daemon::operation::kSync);
    }
    void Format(JobReply &&result, Options options) override {
        start(std::move(result), options, daemon::operation::kFormat);
    }
    void Grow(JobReply &&result, Options options) override {
        start(std::move(result), options, daemon::operation::kGrow);
    }
    void RotateKey(JobReply &&result, std::uint32_t slot, Options options) override;
    void AddKey(sdbus::Result<std::uint32_t> &&result, std::string kind, sdbus::UnixFd secret,
                Options options) override;
    void NewRecoveryKey(sdbus::Result<sdbus::UnixFd> &&result, Options options) override;
    void RemoveKey(sdbus::Result<> &&result, std::uint32_t slot, Options options) override;
    void Encrypt(JobReply &&result, Options options) override {
        start(std::move(result), options, daemon::operation::kEncrypt);
    }
    void Decrypt(JobReply &&result, Options options) override {
        start(std::move(result), options, daemon::operation::kDecrypt);
    }
    void RotateVolumeKey(JobReply &&result, Options options) override {
        start(std::move(result), options, daemon::operation::kRotateVolumeKey);
    }
    void BackupHeader(JobReply &&result, sdbus::UnixFd file, Options options) override {
        start(std::move(result), &file, options, daemon::operation::kBackupHeader);
    }
    void RestoreHeader(JobReply &&result, sdbus::UnixFd file, Options options) override {
        start(std::move(result), &file, options, daemon::operation::kRestoreHeader);
    }
    void Erase(JobReply &&result, Options options) override {
        start(std::move(result), options, daemon::operation::kErase);
    }
    void Wipe(JobReply &&result, Options options) override {
        start(std::move(result), options, daemon::operation::kWipe);
    }
    void Forget(JobReply &&result, Options options) override {
        start(std::move(result), options, daemon::operation::kForget);
    }

    std::string Id() override { return volume_->id().text(); }
    std::string Kind() override { return std::string(model::kindName(volume_->id().kind())); }
    std::string Device() override { return busText(volume_->status().device); }
    std::string Mapping() override { return busText(volume_->status().mapping); }
    std::string State() override { return std::string(model::stateName(volume_->status().state)); }
    bool Degraded() override { return volume_->status().degraded; }
    bool Pinned() override { return volume_->status().pinned; }
    std::string Uuid() override { return busText(volume_->status().uuid); }
    std::string Cipher() override { return busText(volume_->status().cipher); }
    std::string MountPoint() override { return busText(volume_->status().mountPoint); }
    bool Mounted() override { return volume_->status().mounted; }
    std::string MountFailure() override { return busText(volume_->status().mountFailure); }
    std::int32_t UnlockedBySlot() override { return volume_->status().unlockedBySlot; }
    std::vector<Slot> KeySlots() override;
    std::vector<sdbus::Struct<std::uint32_t, std::string>> FailedSyncs() override;
    std::vector<sdbus::Struct<std::string, std::string>> Warnings() override;
    sdbus::Struct<std::string, std::string> LastError() override;

    [[nodiscard]] daemon::Purpose purpose(std::string_view operation) const;
    template <typename Action>
    void only(const Reply<> &reply, const daemon::Purpose &purpose);
    // A method whose use case starts a job.
    template <typename Action, typename UseCase>
    void startJob(JobReply &&result, std::string_view operation, UseCase useCase);
    // One that takes nothing but options.
    template <typename Action>
    void start(JobReply &&result, const Options &options,
               const daemon::JobOperation<Action> &operation) {
        start(std::move(result), nullptr, options, operation);
    }
    // The file of a header backup as well.
    template <typename Action>
    void start(JobReply &&result, const sdbus::UnixFd *header, const Options &options,
               const daemon::JobOperation<Action> &operation);
    [[nodiscard]] daemon::JobRequest readRequest(const Options &options,
                                                 const daemon::JobMethod &method) const;

    BusGate &gate_;
    daemon::UseCases &use_;
    daemon::VolumePointer volume_;
};

template <typename Action, typename UseCase>
void BusVolume::startJob(JobReply &&result, std::string_view operation, UseCase useCase) {
    const Reply<sdbus::ObjectPath> reply(std::move(result));
    gate_.pass<Action>(getObject(), reply, purpose(operation),
                       [reply, volume = volume_, useCase](const daemon::Authorized<Action> &proof) {
                           const base::Result<daemon::JobPointer> job = useCase(proof, volume);
                           if (!job) return reply.fail(job.error());
                           reply.succeed(jobPath((*job)->record().number));
                       });
}

template <typename Action>
void BusVolume::start(JobReply &&result, const sdbus::UnixFd *header, const Options &options,
                      const daemon::JobOperation<Action> &operation) {
    answering([&] {
        // Shared, since a std::function has to be copyable.
        const auto request =
            std::make_shared<daemon::JobRequest>(readRequest(options, operation.method));
        if (header != nullptr) request->header = ownFd(*header);
        startJob<Action>(std::move(result), operation.method.verb,
                         [&use = use_, &operation, request](const auto &proof,
                                                            const daemon::VolumePointer &volume) {
                             return use.operations.start(proof, volume, operation,
                                                         std::move(*request));
                         });
    });
}

}  // namespace volumecrypt::bus
