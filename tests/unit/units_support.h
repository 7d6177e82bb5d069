// SPDX-License-Identifier: Apache-2.0
// Declared volumes and readable dumps for the tests of units.
#pragma once

#include <string>
#include <vector>

#include "model/volume_spec.h"
#include "units/volume_units.h"

namespace volumecrypt::test {

// A volume as the loader would give it: default device, file system and mount point of its kind,
// no encryption.
model::VolumeSpec plainVolume(const std::string &id);
// The same with one nodeID key in slot 0.
model::VolumeSpec encryptedVolume(const std::string &id);

model::KeySpec nodeIdKey(unsigned slot, bool lockToState = false);
model::KeySpec staticKey(unsigned slot, std::string passphraseFile);
model::KeySpec kmsKey(unsigned slot);
model::KeySpec tpmKey(unsigned slot);

std::vector<model::VolumeSpec> volumeList(model::VolumeSpec first);
template <typename... Rest>
std::vector<model::VolumeSpec> volumeList(model::VolumeSpec first, Rest... rest) {
    std::vector<model::VolumeSpec> list;
    list.push_back(std::move(first));
    (list.push_back(std::move(rest)), ...);
    return list;
}

units::GeneratedUnits generate(const std::vector<model::VolumeSpec> &volumes);

// nullptr when there is no such file or link.
const units::UnitFile *find(const units::GeneratedUnits &generated, const std::string &path);
std::string contentOf(const units::GeneratedUnits &generated, const std::string &path);

// Every file and link, with its content or target, as one text.
std::string dump(const units::GeneratedUnits &generated);

}  // namespace volumecrypt::test
