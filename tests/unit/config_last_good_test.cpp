// SPDX-License-Identifier: Apache-2.0
// The last valid declarations: every field survives, no passphrase does.
#include <algorithm>
#include <filesystem>

#include <sys/stat.h>

#include <nlohmann/json.hpp>

#include "base/files.h"
#include "config/last_good.h"
#include "config_case.h"
#include "model/volume_spec_json.h"
#include "support/temp_dir.h"

namespace volumecrypt::config::test {
namespace {

constexpr const char *kEverything = R"(apiVersion: v1alpha1
kind: VolumeConfig
name: STATE
volume: {device: /dev/vdb2, unlock: manual, format: never, meta: /dev/vdb1}
mount: {where: /srv/state, options: [nodev, nosuid], deviceTimeout: 1min 30s}
filesystem: {type: ext4, label: state}
encryption:
  cipher: aes-xts-plain64
  keySize: 256
  blockSize: 4096
  options: [same_cpu_crypt, no_read_workqueue]
  allowDiscards: true
  unmanagedSlots: remove
  tpmReseal: manual
  keys:
    - {slot: 9, static: {passphraseFile: /etc/keys/state}}
    - {slot: 2, nodeID: {}}
    - {slot: 3, static: {passphrase: correct horse}}
    - {slot: 4, unmanaged: {}}
    - {slot: 5, kms: {endpoint: "grpcs://kms:4050", caFile: /a, clientCertFile: /b, clientKeyFile: /c}}
    - {slot: 6, tpm: {options: {pcrs: [7, 0]}, tcti: "swtpm:path=/t", signedPolicy: {publicKey: /k, pcrs: [11]}}}
---
apiVersion: v1alpha1
kind: UserVolumeConfig
name: plain
filesystem: {xfs: {minAllocationGroupSize: 2GiB}}
trim: {enabled: true, interval: 36h}
---
apiVersion: v1alpha1
kind: SwapVolumeConfig
name: s
encryption: {keys: [{slot: 0, nodeID: {}, lockToState: true}]}
)";

const model::VolumeId kState = model::VolumeId::state();

class LastGoodTest : public testing::Test {
  protected:
    [[nodiscard]] bool remembers(const model::VolumeId &id) const {
        return std::filesystem::exists(paths_.lastGood(id));
    }
    // What comes back for `yaml` with these volumes open.
    Configuration added(const std::string &yaml, bool open) {
        Configuration configuration = parseText(yaml);
        addLastGood(
            paths_, [open](const model::VolumeId &) { return open; }, configuration);
        return configuration;
    }
    void keep(const std::string &yaml, bool open = false) {
        ASSERT_TRUE(keepLastGood(paths_, parseText(yaml),
                                 [open](const model::VolumeId &) { return open; }));
    }

    volumecrypt::test::TempDir directory_;
    model::SystemPaths paths_{directory_.path()};
};

// /run is ours, but an interface that starts a program comes from nowhere but the command line.
TEST(VolumeSpecJsonTest, InterfacesAndNumbersAreChecked) {
    const Configuration configuration = parseText(kEverything);
    const std::string json = model::toJson(configuration.volumes.front());
    for (const auto &[from, to] :
         std::vector<std::pair<std::string, std::string>>{{"swtpm:path=/t", "cmd:touch /ran"},
                                                          {"swtpm:path=/t", "/tmp/evil.so"},
                                                          {"\"keyBits\":256", "\"keyBits\":1e30"},
                                                          {"\"keyBits\":256", "\"keyBits\":-1"},
                                                          {"\"slot\":9", "\"slot\":1e30"},
                                                          {"\"tpmReseal\":2", "\"tpmReseal\":3"},
                                                          {"[0,7]", "[0,1e30]"}}) {
        std::string changed = json;
        const std::size_t at = changed.find(from);
        ASSERT_NE(at, std::string::npos) << from;
        EXPECT_FALSE(model::volumeSpecFromJson(changed.replace(at, from.size(), to))) << to;
    }
    EXPECT_FALSE(model::volumeSpecFromJson(std::string(120'000, '[') + std::string(120'000, ']')));
}

TEST(VolumeSpecJsonTest, EveryFieldComesBack) {
    const Configuration configuration = parseText(kEverything);
    ASSERT_FALSE(configuration.hasErrors()) << problemLines(configuration).front();
    ASSERT_EQ(configuration.volumes.size(), 3U);
    for (const model::VolumeSpec &spec : configuration.volumes) {
        const std::string json = model::toJson(spec);
        EXPECT_EQ(json.find("correct horse"), std::string::npos);
        const auto back = model::volumeSpecFromJson(json);
        ASSERT_TRUE(back) << json;
        EXPECT_EQ(model::toJson(*back), json);
        EXPECT_EQ(back->contentDevice(), spec.contentDevice());
        ASSERT_EQ(back->encryption.has_value(), spec.encryption.has_value());
        if (!spec.encryption) continue;
        EXPECT_EQ(back->encryption->tpmReseal, spec.encryption->tpmReseal);
        ASSERT_EQ(back->encryption->keys.size(), spec.encryption->keys.size());
        for (std::size_t i = 0; i < spec.encryption->keys.size(); ++i)
            EXPECT_EQ(back->encryption->keys[i].parameterText(),
                      spec.encryption->keys[i].parameterText());
    }
}

TEST(VolumeSpecJsonTest, AnythingElseIsRefused) {
    const std::string good = model::toJson(parseText(kEverything).volumes.front());
    for (const std::string &text :
         {std::string(), std::string("{}"), std::string("[]"), good.substr(0, good.size() / 2),
          std::string(R"({"version":2,"id":"STATE"})")})
        EXPECT_FALSE(model::volumeSpecFromJson(text)) << text;
    // No member is optional by accident.
    const nlohmann::json whole = nlohmann::json::parse(good);
    for (const auto &[name, value] : whole.items()) {
        if (name == "mount" || name == "encryption" || name == "deviceTimeout") continue;
        nlohmann::json less = whole;
        less.erase(name);
        EXPECT_FALSE(model::volumeSpecFromJson(less.dump())) << name;
    }
}

TEST_F(LastGoodTest, AnOpenVolumeKeepsItsDeclaration) {
    keep(kEverything);
    ASSERT_TRUE(remembers(kState));
    EXPECT_EQ(added("", false).volumes.size(), 0U);
    const Configuration configuration = added("", true);
    EXPECT_EQ(configuration.volumes.size(), 3U);
    ASSERT_NE(configuration.find(kState), nullptr);
    EXPECT_EQ(configuration.find(kState)->device.path, "/dev/vdb2");
    EXPECT_FALSE(configuration.hasErrors());
    EXPECT_EQ(configuration.problems.size(), 3U) << "a warning for each";
}

TEST_F(LastGoodTest, AValidDeclarationGoesBeforeTheRememberedOne) {
    keep(userVolume("volume: {device: /dev/vdx}\n"));
    const Configuration configuration = added(userVolume("volume: {device: /dev/vdy}\n"), true);
    ASSERT_EQ(configuration.volumes.size(), 1U);
    EXPECT_EQ(configuration.volumes.front().device.path, "/dev/vdy");
    EXPECT_TRUE(configuration.problems.empty());
}

TEST_F(LastGoodTest, ItIsForgottenWhenTheVolumeIsClosed) {
    keep(kEverything);
    keep("", true);
    EXPECT_TRUE(remembers(kState));
    keep("kind: VolumeConfig\nname: 7\n");
    EXPECT_TRUE(remembers(kState)) << "with an error nobody knows what is gone";
    keep("");
    EXPECT_FALSE(remembers(kState));
}

TEST_F(LastGoodTest, NothingIsWrittenWhenNothingDiffers) {
    keep(kEverything);
    const auto before = std::filesystem::last_write_time(paths_.lastGood(kState));
    const auto inode = [this] {
        struct stat info {};
        return ::stat(paths_.lastGood(kState).c_str(), &info) == 0 ? info.st_ino : 0;
    };
    const auto first = inode();
    keep(kEverything);
    EXPECT_EQ(inode(), first);
    EXPECT_EQ(std::filesystem::last_write_time(paths_.lastGood(kState)), before);
}

// An open volume would be one that nobody knows of.
TEST_F(LastGoodTest, OneOfANewerVersionIsToldAndKept) {
    keep(kEverything);
    for (const char *newer : {R"({"version":2,"id":"STATE"})", R"({"version":3,"volume":{}})"}) {
        ASSERT_TRUE(base::writeFileAtomically(paths_.lastGood(kState), newer, 0600));
        const Configuration configuration = added("", true);
        EXPECT_EQ(configuration.find(kState), nullptr);
        ASSERT_EQ(configuration.problems.size(), 3U);
        const auto told =
            std::ranges::find(configuration.problems, kState.text(), &Problem::volume);
        ASSERT_NE(told, configuration.problems.end());
        EXPECT_EQ(told->text(),
                  paths_.lastGood(kState) +
                      ": volume STATE is open and has no valid declaration any more: the "
                      "remembered declaration was written by a newer version of volumecrypt. "
                      "Update volumecrypt, or correct the configuration.");
        EXPECT_FALSE(configuration.hasErrors());
        keep("", true);
        EXPECT_EQ(*base::readFile(paths_.lastGood(kState)), newer);
    }
}

TEST_F(LastGoodTest, WhatCannotBeReadIsLeftOut) {
    keep(kEverything);
    ASSERT_TRUE(base::writeFileAtomically(paths_.lastGood(kState), "{\"version\":1}", 0600));
    const Configuration configuration = added("", true);
    EXPECT_EQ(configuration.find(kState), nullptr);
    EXPECT_EQ(configuration.volumes.size(), 2U);
}

}  // namespace
}  // namespace volumecrypt::config::test
