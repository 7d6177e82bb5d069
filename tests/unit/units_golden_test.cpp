// SPDX-License-Identifier: Apache-2.0
// The whole output for typical configurations, compared with tests/unit/golden/units-*.txt.
// VOLUMECRYPT_UPDATE_GOLDEN=1 writes these files anew, to be read before they are committed.
#include <cstdlib>
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

#include "units_support.h"

namespace volumecrypt::test {
namespace {

using model::VolumeSpec;

void expectGolden(const std::string &name, const std::vector<VolumeSpec> &volumes) {
    const units::GeneratedUnits generated = generate(volumes);
    EXPECT_TRUE(generated.refusals.empty());
    const std::string text = dump(generated);
    const std::string path = std::string(GOLDEN_DIRECTORY) + "/units-" + name + ".txt";
    if (std::getenv("VOLUMECRYPT_UPDATE_GOLDEN") != nullptr) std::ofstream(path) << text;
    std::ifstream file(path);
    ASSERT_TRUE(file) << path;
    std::ostringstream expected;
    expected << file.rdbuf();
    EXPECT_EQ(text, expected.str());
}

TEST(UnitsGolden, systemVolumes) {
    VolumeSpec ephemeral = encryptedVolume("EPHEMERAL");
    ephemeral.mount = model::MountSpec{"/srv/ephemeral", {"nodev", "nosuid"}};
    ephemeral.encryption->keys[0].lockToState = true;
    expectGolden("system", volumeList(encryptedVolume("STATE"), std::move(ephemeral)));
}

TEST(UnitsGolden, optionalUserVolume) {
    VolumeSpec data = encryptedVolume("u-data");
    data.encryption->keys.push_back(staticKey(1, "/media/key/data"));
    expectGolden("user", volumeList(std::move(data)));
}

TEST(UnitsGolden, networkVolume) {
    VolumeSpec net = encryptedVolume("u-net");
    net.encryption->keys.clear();
    net.encryption->keys.push_back(kmsKey(0));
    net.required = true;
    net.deviceTimeout = std::chrono::seconds(40);
    expectGolden("network", volumeList(std::move(net)));
}

TEST(UnitsGolden, plainVolumes) {
    VolumeSpec data = plainVolume("u-plain");
    data.required = true;
    data.filesystem.type = model::FilesystemType::Xfs;
    data.filesystem.projectQuota = true;
    expectGolden("plain", volumeList(std::move(data), plainVolume("r-raw")));
}

TEST(UnitsGolden, stateByWhatMetaSays) {
    VolumeSpec state = plainVolume("STATE");
    state.metaDevice = "/dev/disk/by-partlabel/META";
    expectGolden("meta", volumeList(std::move(state)));
}

TEST(UnitsGolden, swapVolumes) {
    VolumeSpec fast = encryptedVolume("s-fast");
    fast.required = true;
    expectGolden("swap", volumeList(std::move(fast), encryptedVolume("s-slow")));
}

TEST(UnitsGolden, unlockedByHandOnly) {
    VolumeSpec vault = encryptedVolume("u-vault");
    vault.unlock = model::UnlockPolicy::Manual;
    vault.required = true;
    expectGolden("manual", volumeList(std::move(vault)));
}

TEST(UnitsGolden, trimmedVolumes) {
    VolumeSpec daily = plainVolume("u-daily");
    daily.trimInterval = std::chrono::hours(24);
    daily.mount->where = "/srv/with space";
    VolumeSpec often = encryptedVolume("u-often");
    often.trimInterval = std::chrono::seconds(90);
    VolumeSpec unmounted = plainVolume("EPHEMERAL");
    unmounted.trimInterval = std::chrono::hours(24);
    auto volumes = volumeList(std::move(daily), std::move(often));
    volumes.push_back(std::move(unmounted));
    expectGolden("trim", volumes);
}

TEST(UnitsGolden, plainFile) {
    VolumeSpec image = encryptedVolume("u-image");
    image.device = {.path = "/srv/images/data.img", .byLabel = false};
    expectGolden("file", volumeList(std::move(image)));
}

}  // namespace
}  // namespace volumecrypt::test
