// SPDX-License-Identifier: Apache-2.0
// One run of the engine on one volume: its options, its declaration, its device and lock.
#pragma once

#include <memory>
#include <optional>

#include "base/result.h"
#include "base/secret_buffer.h"
#include "base/unique_fd.h"
#include "blockdev/device.h"
#include "config/loader.h"
#include "model/volume_spec.h"
#include "volume/options.h"
#include "volume/reporter.h"

namespace volumecrypt::volume {

class Session {
  public:
    Session(Options options, Reporter &reporter);

    // Reads the configuration. InvalidConfig with every problem of this volume's documents,
    // NotFound when it is not declared.
    base::Status loadSpec();
    // Reads --secret-fd and --unlock-fd, or what --secrets-from hands over, before any lock is
    // taken; takes --header-fd.
    base::Status readSecrets();
    // NotFound, AmbiguousDevice, …
    base::Status findDevice();
    // The lock that orders engines on this volume; held until the session ends. Busy after 5 s.
    base::Status lock();

    [[nodiscard]] const Options &options() const { return options_; }
    [[nodiscard]] Reporter &reporter() const { return reporter_; }
    [[nodiscard]] const model::VolumeId &id() const { return options_.id; }
    // Valid after loadSpec.
    [[nodiscard]] const model::VolumeSpec &spec() const { return *spec_; }
    // The boot ends in the emergency shell when this attach fails.
    [[nodiscard]] bool holdsUpBoot() const {
        return options_.verb == Verb::Attach && spec_ != nullptr && spec_->required;
    }
    // Everything that is validly declared. Valid after loadSpec.
    [[nodiscard]] const config::Configuration &configuration() const { return configuration_; }
    // The declaration of STATE; nullptr when there is none that is valid. Valid after loadSpec.
    [[nodiscard]] const model::VolumeSpec *stateSpec() const;
    // META said how STATE is encrypted, not the configuration.
    [[nodiscard]] bool encryptionIsMetas() const { return encryptionIsMetas_; }
    // META was cleared: what it said is no longer so.
    void dropMetasEncryption();
    // The declared encryption; valid only when the volume is declared encrypted.
    [[nodiscard]] const model::EncryptionSpec &encryption() const { return *spec_->encryption; }
    [[nodiscard]] bool hasDevice() const { return device_.has_value(); }
    // Valid after findDevice.
    [[nodiscard]] const blockdev::Device &device() const { return *device_; }
    // A passphrase given to open the volume; nullptr when there is none.
    [[nodiscard]] const base::SecretBuffer *secret() const { return secret_ ? &*secret_ : nullptr; }
    // add-key: the key to add.
    [[nodiscard]] const base::SecretBuffer &newKey() const { return *newKey_; }

    // backup-header, restore-header: where the backup goes to, or comes from. Valid after
    // readSecrets.
    [[nodiscard]] int headerFile() const { return headerFile_.get(); }

    // "volume u-data (/dev/vdb4)", for messages.
    [[nodiscard]] std::string describe() const;

  private:
    base::Status askMeta();
    base::Status readSecret(base::UniqueFd fd, std::optional<base::SecretBuffer> &into) const;

    Options options_;
    Reporter &reporter_;
    config::Configuration configuration_;
    model::VolumeSpec *spec_ = nullptr;
    bool encryptionIsMetas_ = false;
    std::optional<blockdev::Device> device_;
    std::optional<base::SecretBuffer> secret_;
    std::optional<base::SecretBuffer> newKey_;
    base::UniqueFd headerFile_;
    base::UniqueFd lock_;
};

}  // namespace volumecrypt::volume
