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
#include "model/names.h"
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

// What data and key slots may be encrypted with.
struct Cipher {
    std::string_view name;  // as in the header: aes-xts-plain64
    std::array<unsigned, 2>
        keyBits;  // the usual size first; the same twice where it is the only one

    [[nodiscard]] bool allows(unsigned bits) const;
};
inline constexpr std::string_view kUsualCipher = "aes-xts-plain64";
// Null when it is not one of ours.
const Cipher *findCipher(std::string_view name);
// "a, b, c": for messages.
std::string cipherNames();
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
    std::string cipher{kUsualCipher};
    unsigned keyBits = 512;
    unsigned sectorSize = 0;  // bytes; 0: chosen from the device
    std::vector<PerformanceOption> options;
    bool allowDiscards = false;
    UnmanagedSlots unmanagedSlots = UnmanagedSlots::Keep;
    TpmReseal tpmReseal = TpmReseal::IfStrong;
    std::vector<KeySpec> keys;  // in slot order
    EncryptionWording wording = {};

    [[nodiscard]] const KeySpec *keyInSlot(unsigned slot) const;
    [[nodiscard]] bool declares(unsigned slot) const { return keyInSlot(slot) != nullptr; }
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
    // Its device is a plain file: only its header can be worked on, and no boot waits for it.
    [[nodiscard]] bool isFile() const { return !isDevicePath(device.path); }
    // Has a file system and a place for it.
    [[nodiscard]] bool isMounted() const;
    // The unit that uses it once it is unlocked, its mount or its swap; empty when the
    // configuration neither mounts it nor swaps to it.
    [[nodiscard]] std::string consumerUnit() const;
};

}  // namespace volumecrypt::model
