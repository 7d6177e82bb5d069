// SPDX-License-Identifier: Apache-2.0
// A stand-in for volumecryptd that always answers the same: what volumecryptctl must cope with but
// a real service seldom does. Each request is printed as a line for the test to read.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <job-adaptor.h>
#include <manager-adaptor.h>
#include <volume-adaptor.h>

#include "bus/sdbus.h"

namespace volumecrypt::test {

using Options = std::map<std::string, sdbus::Variant>;
using ManagerAdaptor = sdbus::AdaptorInterfaces<org::example::VolumeCrypt::Manager_adaptor,
                                                sdbus::ObjectManager_adaptor>;
using VolumeAdaptor =
    sdbus::AdaptorInterfaces<org::example::VolumeCrypt::Volume_adaptor,
                             sdbus::ManagedObject_adaptor, sdbus::Properties_adaptor>;
using JobAdaptor =
    sdbus::AdaptorInterfaces<org::example::VolumeCrypt::Job_adaptor, sdbus::ManagedObject_adaptor>;

inline constexpr const char *kErrorPrefix = "org.example.VolumeCrypt.Error.";

struct FakeState {
    std::string id;
    std::string device;
    std::string state = "locked";
    std::string mountPoint;
    bool mounted = false;
    std::string mountFailure = {};
    bool degraded = false;
    std::vector<sdbus::Struct<std::uint32_t, std::string, bool, bool, std::string>> slots;
    std::vector<sdbus::Struct<std::uint32_t, std::string>> failed;
    sdbus::Struct<std::string, std::string> error;
};

class FakeJob;

class FakeService final : public ManagerAdaptor {
  public:
    explicit FakeService(sdbus::IConnection &bus);
    virtual ~FakeService();
    FakeService(const FakeService &) = delete;
    FakeService &operator=(const FakeService &) = delete;
    FakeService(FakeService &&) = delete;
    FakeService &operator=(FakeService &&) = delete;

    // A job over `volume` (object path, or "/") that takes `ticks` of 100 ms and ends with `error`
    // (the last part of a name), well when that is empty. 0: it ends before its path is returned.
    sdbus::ObjectPath start(const std::string &operation, const std::string &volume, int ticks,
                            const std::string &error = {});
    void tick();
    void note(const std::string &line) const;
    // The process ends at the next tick, in the middle of what it does.
    bool dying = false;

  private:
    sdbus::ObjectPath GetVolume(const std::string &id) override;
    std::vector<sdbus::ObjectPath> ListJobs() override;
    void Plan(sdbus::Result<std::vector<sdbus::Struct<std::string, std::vector<Options>>>> &&result)
        override;
    void Reload(sdbus::Result<> &&result, Options options) override;
    void Apply(sdbus::Result<sdbus::ObjectPath> &&result, Options options) override;
    std::string Version() override { return "9.9"; }
    std::vector<sdbus::Struct<std::string, std::uint32_t, std::uint32_t, std::string, std::string>>
    ConfigErrors() override;
    std::vector<sdbus::Struct<std::string, std::uint32_t, std::uint32_t, std::string, std::string>>
    ConfigWarnings() override;
    bool TpmPresent() override { return true; }

    sdbus::IConnection &bus_;
    std::vector<std::unique_ptr<class FakeVolume>> volumes_;
    std::vector<std::unique_ptr<FakeJob>> jobs_;
    unsigned lastJob_ = 0;
};

class FakeVolume final : public VolumeAdaptor {
  public:
    FakeVolume(sdbus::IConnection &bus, FakeService &service, FakeState state);
    virtual ~FakeVolume();
    FakeVolume(const FakeVolume &) = delete;
    FakeVolume &operator=(const FakeVolume &) = delete;
    FakeVolume(FakeVolume &&) = delete;
    FakeVolume &operator=(FakeVolume &&) = delete;
    [[nodiscard]] const FakeState &state() const { return state_; }
    static sdbus::ObjectPath pathOf(const std::string &id);

  private:
    // Whether the message that is being handled lets polkit ask.
    std::string asked();
    void begin(sdbus::Result<sdbus::ObjectPath> &&result, const std::string &operation,
               const Options &options);

    void Authorize(sdbus::Result<> &&result, std::string operation, Options options) override;
    void Unlock(sdbus::Result<std::string> &&result, Options options) override;
    void Lock(sdbus::Result<> &&result, Options options) override;
    void Plan(sdbus::Result<std::vector<Options>> &&result) override;
    void Sync(sdbus::Result<sdbus::ObjectPath> &&result, Options options) override {
        begin(std::move(result), "sync", options);
    }
    void Format(sdbus::Result<sdbus::ObjectPath> &&result, Options options) override {
        begin(std::move(result), "format", options);
    }
    void Grow(sdbus::Result<sdbus::ObjectPath> &&result, Options options) override {
        begin(std::move(result), "grow", options);
    }
    void RotateKey(sdbus::Result<sdbus::ObjectPath> &&result, std::uint32_t slot,
                   Options options) override;
    void AddKey(sdbus::Result<std::uint32_t> &&result, std::string kind, sdbus::UnixFd secret,
                Options options) override;
    void NewRecoveryKey(sdbus::Result<sdbus::UnixFd> &&result, Options options) override;
    void RemoveKey(sdbus::Result<> &&result, std::uint32_t slot, Options options) override;
    void Encrypt(sdbus::Result<sdbus::ObjectPath> &&result, Options options) override {
        begin(std::move(result), "encrypt", options);
    }
    void Decrypt(sdbus::Result<sdbus::ObjectPath> &&result, Options options) override {
        begin(std::move(result), "decrypt", options);
    }
    void RotateVolumeKey(sdbus::Result<sdbus::ObjectPath> &&result, Options options) override {
        begin(std::move(result), "rotate-volume-key", options);
    }
    void BackupHeader(sdbus::Result<sdbus::ObjectPath> &&result, sdbus::UnixFd file,
                      Options options) override;
    void RestoreHeader(sdbus::Result<sdbus::ObjectPath> &&result, sdbus::UnixFd file,
                       Options options) override;
    void Erase(sdbus::Result<sdbus::ObjectPath> &&result, Options options) override {
        begin(std::move(result), "erase", options);
    }
    void Wipe(sdbus::Result<sdbus::ObjectPath> &&result, Options options) override {
        begin(std::move(result), "wipe", options);
    }
    void Forget(sdbus::Result<sdbus::ObjectPath> &&result, Options options) override {
        begin(std::move(result), "forget", options);
    }

    std::string Id() override { return state_.id; }
    std::string Kind() override { return state_.id == "STATE" ? "state" : "user"; }
    std::string Device() override { return state_.device; }
    std::string Mapping() override;
    std::string State() override { return state_.state; }
    bool Degraded() override { return state_.degraded; }
    bool Pinned() override { return true; }
    std::string Uuid() override { return "0a1b2c3d"; }
    std::string Cipher() override { return "aes-xts-plain64"; }
    std::string MountPoint() override { return state_.mountPoint; }
    bool Mounted() override { return state_.mounted; }
    std::string MountFailure() override { return state_.mountFailure; }
    std::int32_t UnlockedBySlot() override { return state_.state == "unlocked" ? 0 : -1; }
    std::vector<sdbus::Struct<std::uint32_t, std::string, bool, bool, std::string>> KeySlots()
        override {
        return state_.slots;
    }
    std::vector<sdbus::Struct<std::uint32_t, std::string>> FailedSyncs() override {
        return state_.failed;
    }
    std::vector<sdbus::Struct<std::string, std::string>> Warnings() override { return {}; }
    sdbus::Struct<std::string, std::string> LastError() override { return state_.error; }

    FakeService &service_;
    FakeState state_;
};

class FakeJob final : public JobAdaptor {
  public:
    FakeJob(sdbus::IConnection &bus, unsigned number, std::string operation, std::string volume,
            int ticks, std::string error);
    virtual ~FakeJob();
    FakeJob(const FakeJob &) = delete;
    FakeJob &operator=(const FakeJob &) = delete;
    FakeJob(FakeJob &&) = delete;
    FakeJob &operator=(FakeJob &&) = delete;
    // One step further; true once it has ended, and stayed for a while.
    bool advance();
    [[nodiscard]] const sdbus::ObjectPath &path() const { return path_; }

  private:
    void Cancel(sdbus::Result<> &&result, Options options) override;
    std::string Operation() override { return operation_; }
    sdbus::ObjectPath Volume() override { return sdbus::ObjectPath(volume_); }
    double Progress() override;
    std::uint64_t BytesDone() override;
    std::uint64_t BytesTotal() override { return kBytes; }
    std::uint64_t Rate() override { return kBytes / 4; }
    std::uint64_t SecondsLeft() override { return (kBytes - BytesDone()) / Rate(); }
    std::uint64_t StartedAt() override { return 1'700'000'000'000'000; }
    std::uint32_t StartedByUid() override { return 0; }
    std::vector<sdbus::Struct<std::string, std::string, std::string>> Results() override {
        return {};
    }
    std::string State() override;
    std::uint64_t FinishedAt() override;
    std::string Error() override;
    std::string Message() override;

    static constexpr std::uint64_t kBytes = 1ULL << 30;
    sdbus::ObjectPath path_;
    std::string operation_;
    std::string volume_;
    int ticks_;
    int done_ = 0;
    bool told_ = false;
    int lingers_ = 30;  // ticks
    std::string error_;
};

}  // namespace volumecrypt::test
