// SPDX-License-Identifier: Apache-2.0
// A declared volume: device, file system, mount and encryption, as the configuration says, defaults
// filled in.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/key_spec.h"
#include "model/volume_id.h"

namespace volumecrypt::model {

enum class UnlockPolicy { Auto, Manual };
enum class FormatPolicy { IfEmpty, Never };
enum class UnmanagedSlots { Keep, Remove };
// Whether sync seals a tpm key anew after the machine's measured state changed. IfStrong: when the
// key that opened the volume is at least as strong, which nodeID is not.
enum class TpmReseal { IfStrong, Auto, Manual };
enum class FilesystemType { None, Xfs, Ext4, Btrfs, Vfat, Swap };
enum class PerformanceOption { NoReadWorkqueue, NoWriteWorkqueue, SameCpuCrypt };

// "none", "xfs", …: also what mount(8) and libblkid call them.
std::string_view filesystemName(FilesystemType type);
std::optional<FilesystemType> filesystemFromName(std::string_view name);
// "no_read_workqueue", …
std::string_view performanceOptionName(PerformanceOption option);
std::optional<PerformanceOption> performanceOptionFromName(std::string_view name);

// The key sizes of a cipher in bits, the default first; nothing for a cipher that is not known.
std::optional<std::array<unsigned, 2>> keyBitsOf(std::string_view cipher);
bool isSectorSize(std::uint64_t bytes);  // 0 is: chosen from the device

struct DeviceSpec {
    std::string path;      // /dev/…, or a plain file
    bool byLabel = false;  // not declared: the GPT label of the volume's ID selects it
};

struct MountSpec {
    std::string where;  // absolute and normalised
    std::vector<std::string> options;
};

struct FilesystemSpec {
    FilesystemType type = FilesystemType::None;
    std::string label;  // empty: none
    bool projectQuota = false;
    std::uint64_t minAllocationGroupSize = 0;  // xfs: bytes; 0: mkfs decides
};

// How a document put what has defaults: META keeps that, as Talos does.
struct EncryptionWording {
    std::string cipher;    // empty: not given
    unsigned keyBits = 0;  // 0: not given
    std::optional<std::vector<PerformanceOption>> options;
    std::optional<bool> allowDiscards;
};

struct EncryptionSpec {
    std::string cipher = "aes-xts-plain64";
    unsigned keyBits = 512;
    unsigned sectorSize = 0;  // bytes; 0: chosen from the device
    std::vector<PerformanceOption> options;
    bool allowDiscards = false;
    UnmanagedSlots unmanagedSlots = UnmanagedSlots::Keep;
    TpmReseal tpmReseal = TpmReseal::IfStrong;
    std::vector<KeySpec> keys;  // in slot order
    EncryptionWording wording = {};

    [[nodiscard]] const KeySpec *keyInSlot(unsigned slot) const;
    // Every key needs the network: such a volume is ordered with remote-fs.target.
    [[nodiscard]] bool onlyNetworkKeys() const;
    [[nodiscard]] bool anyLockedToState() const;
    [[nodiscard]] bool allLockedToState() const;
};

struct VolumeSpec {
    VolumeId id;
    DeviceSpec device;
    UnlockPolicy unlock = UnlockPolicy::Auto;
    FormatPolicy format = FormatPolicy::IfEmpty;
    std::string metaDevice;  // STATE only; empty elsewhere
    std::optional<MountSpec> mount;
    bool required = false;  // its failure fails the boot, as with fstab
    // How long a boot waits for the device; 0: for ever, absent: systemd's default.
    std::optional<std::chrono::seconds> deviceTimeout;
    FilesystemSpec filesystem;
    // How often a timer of ours has unused blocks discarded while it is mounted; absent: never.
    std::optional<std::chrono::seconds> trimInterval;
    std::optional<EncryptionSpec> encryption;  // absent: a plain volume
    // `provider: none`: STATE is plain, whatever META says.
    bool declaredPlain = false;
    SourcePosition position;  // of the document

    explicit VolumeSpec(VolumeId volumeId) : id(std::move(volumeId)) {}
    // The device that holds the file system: the mapping, or the device itself for a plain volume.
    [[nodiscard]] std::string contentDevice() const;
};

}  // namespace volumecrypt::model
