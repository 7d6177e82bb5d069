// SPDX-License-Identifier: Apache-2.0
// Questions that a declared volume answers about itself.
#include "model/volume_spec.h"

#include <algorithm>
#include <array>

namespace volumecrypt::model {
namespace {

constexpr std::array<std::pair<FilesystemType, std::string_view>, 6> kFilesystems{{
    {FilesystemType::None, "none"},
    {FilesystemType::Xfs, "xfs"},
    {FilesystemType::Ext4, "ext4"},
    {FilesystemType::Btrfs, "btrfs"},
    {FilesystemType::Vfat, "vfat"},
    {FilesystemType::Swap, "swap"},
}};

constexpr std::array<std::pair<PerformanceOption, std::string_view>, 3> kOptions{{
    {PerformanceOption::NoReadWorkqueue, "no_read_workqueue"},
    {PerformanceOption::NoWriteWorkqueue, "no_write_workqueue"},
    {PerformanceOption::SameCpuCrypt, "same_cpu_crypt"},
}};

constexpr std::array<Cipher, 3> kCiphers{{
    {kUsualCipher, {512, 256}},
    {"xchacha12,aes-adiantum-plain64", {256, 256}},
    {"xchacha20,aes-adiantum-plain64", {256, 256}},
}};

constexpr std::array<std::uint64_t, 5> kSectorSizes{0, 512, 1024, 2048, 4096};

template <typename Table, typename Value>
std::string_view nameIn(const Table &table, Value value) {
    for (const auto &[candidate, name] : table)
        if (candidate == value) return name;
    return "unknown";
}

template <typename Value, std::size_t N>
std::optional<Value> valueIn(const std::array<std::pair<Value, std::string_view>, N> &table,
                             std::string_view name) {
    for (const auto &[value, text] : table)
        if (text == name) return value;
    return std::nullopt;
}

// Keys that we enrol; an `unmanaged: {}` entry only documents somebody else's.
bool isEnrolled(const KeySpec &key) {
    return key.kind() != KeyKind::Unmanaged;
}

}  // namespace

std::string_view filesystemName(FilesystemType type) {
    return nameIn(kFilesystems, type);
}
std::optional<FilesystemType> filesystemFromName(std::string_view name) {
    return valueIn(kFilesystems, name);
}
std::string_view performanceOptionName(PerformanceOption option) {
    return nameIn(kOptions, option);
}
std::optional<PerformanceOption> performanceOptionFromName(std::string_view name) {
    return valueIn(kOptions, name);
}

bool Cipher::allows(unsigned bits) const {
    return std::ranges::find(keyBits, bits) != keyBits.end();
}
const Cipher *findCipher(std::string_view name) {
    for (const Cipher &cipher : kCiphers)
        if (cipher.name == name) return &cipher;
    return nullptr;
}
std::string cipherNames() {
    std::string text;
    for (const Cipher &cipher : kCiphers) text.append(text.empty() ? "" : ", ").append(cipher.name);
    return text;
}
bool isSectorSize(std::uint64_t bytes) {
    return std::ranges::find(kSectorSizes, bytes) != kSectorSizes.end();
}

const KeySpec *EncryptionSpec::keyInSlot(unsigned slot) const {
    return model::keyInSlot(keys, slot);
}

bool EncryptionSpec::onlyNetworkKeys() const {
    return std::any_of(keys.begin(), keys.end(), isEnrolled) &&
           std::all_of(keys.begin(), keys.end(),
                       [](const KeySpec &key) { return !isEnrolled(key) || key.needsNetwork(); });
}

bool EncryptionSpec::anyLockedToState() const {
    return std::any_of(keys.begin(), keys.end(),
                       [](const KeySpec &key) { return key.lockToState; });
}

bool EncryptionSpec::allLockedToState() const {
    return std::any_of(keys.begin(), keys.end(), isEnrolled) &&
           std::all_of(keys.begin(), keys.end(),
                       [](const KeySpec &key) { return !isEnrolled(key) || key.lockToState; });
}

std::string VolumeSpec::contentDevice() const {
    return encryption ? mappingPath(id) : device.path;
}

bool VolumeSpec::isMounted() const {
    return mount && !mount->where.empty() && filesystem.type != FilesystemType::None &&
           filesystem.type != FilesystemType::Swap;
}

std::string VolumeSpec::consumerUnit() const {
    if (filesystem.type == FilesystemType::Swap) return swapUnit(contentDevice());
    return isMounted() ? mountUnit(mount->where) : std::string();
}

}  // namespace volumecrypt::model
