// SPDX-License-Identifier: Apache-2.0
// What the loader makes of valid documents: defaults, keys, secrets.
#include <algorithm>
#include <chrono>
#include <optional>
#include <variant>

#include "config/values.h"
#include "config_case.h"

namespace volumecrypt::config::test {
namespace {

using model::FilesystemType;
using std::chrono::seconds;

Configuration valid(const std::string &yaml, Secrets secrets = Secrets::Keep) {
    Configuration result = parseText(yaml, secrets);
    EXPECT_EQ(problemLines(result), std::vector<std::string>()) << yaml;
    return result;
}

model::VolumeSpec single(const std::string &yaml, Secrets secrets = Secrets::Keep) {
    Configuration result = valid(yaml, secrets);
    EXPECT_EQ(result.volumes.size(), 1U) << yaml;
    return std::move(result.volumes.at(0));
}

std::string passphraseOf(const model::KeySpec &key) {
    const auto &secret = std::get<model::StaticKey>(key.parameters).passphrase;
    return {secret.chars(), secret.size()};
}

TEST(ConfigDefaults, State) {
    const model::VolumeSpec spec = single(systemVolume("STATE", ""));
    EXPECT_EQ(spec.id, model::VolumeId::state());
    EXPECT_EQ(spec.device.path, "/dev/disk/by-partlabel/STATE");
    EXPECT_TRUE(spec.device.byLabel);
    EXPECT_EQ(spec.metaDevice, "/dev/disk/by-partlabel/META");
    EXPECT_EQ(spec.unlock, model::UnlockPolicy::Auto);
    EXPECT_EQ(spec.format, model::FormatPolicy::IfEmpty);
    ASSERT_TRUE(spec.mount);
    EXPECT_EQ(spec.mount->where, "/system/state");
    EXPECT_EQ(spec.mount->options, (std::vector<std::string>{"nodev", "nosuid"}));
    EXPECT_TRUE(spec.required);
    EXPECT_FALSE(spec.deviceTimeout);
    EXPECT_EQ(spec.filesystem.type, FilesystemType::Xfs);
    EXPECT_EQ(spec.filesystem.label, "STATE");
    EXPECT_FALSE(spec.filesystem.projectQuota);
    EXPECT_FALSE(spec.encryption);
    EXPECT_EQ(spec.position.file, "f");
    EXPECT_EQ(spec.position.line, 1U);
    EXPECT_EQ(spec.position.column, 1U);
}

TEST(ConfigDefaults, Ephemeral) {
    const model::VolumeSpec spec = single(systemVolume("EPHEMERAL", ""));
    EXPECT_EQ(spec.device.path, "/dev/disk/by-partlabel/EPHEMERAL");
    EXPECT_EQ(spec.metaDevice, "");
    EXPECT_FALSE(spec.mount);  // /var, as in Talos, would hide the system
    EXPECT_TRUE(spec.required);
    EXPECT_EQ(spec.filesystem.type, FilesystemType::Xfs);
    EXPECT_EQ(spec.filesystem.label, "EPHEMERAL");
}

TEST(ConfigDefaults, UserVolume) {
    const model::VolumeSpec spec = single(userVolume(""));
    EXPECT_EQ(spec.id.text(), "u-data");
    EXPECT_EQ(spec.device.path, "/dev/disk/by-partlabel/u-data");
    EXPECT_EQ(spec.metaDevice, "");
    ASSERT_TRUE(spec.mount);
    EXPECT_EQ(spec.mount->where, "/var/mnt/data");
    EXPECT_FALSE(spec.required);
    EXPECT_EQ(spec.filesystem.type, FilesystemType::Xfs);
    EXPECT_EQ(spec.filesystem.label, "");
}

TEST(ConfigDefaults, UserVolumeWithoutFilesystemIsNotMounted) {
    EXPECT_FALSE(single(userVolume("filesystem: {type: none}\n")).mount);
    EXPECT_FALSE(single(userVolume("filesystem: {type: none}\nmount: {required: true}\n")).mount);
}

TEST(ConfigDefaults, RawVolume) {
    const model::VolumeSpec spec =
        single("apiVersion: v1alpha1\nkind: RawVolumeConfig\nname: data\n");
    EXPECT_EQ(spec.id.text(), "r-data");
    EXPECT_EQ(spec.device.path, "/dev/disk/by-partlabel/r-data");
    EXPECT_FALSE(spec.mount);
    EXPECT_FALSE(spec.required);
    EXPECT_EQ(spec.filesystem.type, FilesystemType::None);
    EXPECT_EQ(spec.filesystem.label, "");
}

TEST(ConfigDefaults, SwapVolume) {
    const model::VolumeSpec spec =
        single("apiVersion: v1alpha1\nkind: SwapVolumeConfig\nname: data\n");
    EXPECT_EQ(spec.id.text(), "s-data");
    EXPECT_EQ(spec.device.path, "/dev/disk/by-partlabel/s-data");
    EXPECT_FALSE(spec.mount);
    EXPECT_FALSE(spec.required);
    EXPECT_EQ(spec.filesystem.type, FilesystemType::Swap);
}

TEST(ConfigDefaults, Encryption) {
    const model::VolumeSpec spec = single(userVolume("encryption: {keys: [{nodeID: {}}]}\n"));
    ASSERT_TRUE(spec.encryption);
    EXPECT_EQ(spec.encryption->cipher, "aes-xts-plain64");
    EXPECT_EQ(spec.encryption->keyBits, 512U);
    EXPECT_EQ(spec.encryption->sectorSize, 0U);
    EXPECT_TRUE(spec.encryption->options.empty());
    EXPECT_FALSE(spec.encryption->allowDiscards);
    EXPECT_EQ(spec.encryption->unmanagedSlots, model::UnmanagedSlots::Keep);
    EXPECT_EQ(spec.encryption->tpmReseal, model::TpmReseal::IfStrong);
    ASSERT_EQ(spec.encryption->keys.size(), 1U);
    const model::KeySpec &key = spec.encryption->keys[0];
    EXPECT_EQ(key.slot, 0U);
    EXPECT_EQ(key.kind(), model::KeyKind::NodeId);
    EXPECT_FALSE(key.lockToState);
    EXPECT_EQ(key.position.line, 4U);
    EXPECT_EQ(key.position.column, 21U);
}

TEST(ConfigDefaults, KeySizeFollowsTheCipher) {
    const model::VolumeSpec spec = single(userVolume(
        "encryption: {cipher: \"xchacha20,aes-adiantum-plain64\", keys: [{nodeID: {}}]}\n"));
    EXPECT_EQ(spec.encryption->keyBits, 256U);
}

TEST(ConfigDefaults, AVolumeThatIsUnlockedByHandIsNotRequired) {
    EXPECT_FALSE(single(systemVolume("EPHEMERAL", "volume: {unlock: manual}\n")).required);
}

TEST(ConfigValues, EveryField) {
    const model::VolumeSpec spec = single(systemVolume("STATE", R"(
volume: {device: /dev/vdb2, unlock: auto, format: never, meta: /dev/vdb1}
mount: {where: /srv/state, options: [nodev, nosuid], required: false, deviceTimeout: 1min 30s}
filesystem: {type: ext4, label: state}
encryption:
  provider: luks2
  cipher: aes-xts-plain64
  keySize: 256
  blockSize: 4096
  options: [same_cpu_crypt, no_read_workqueue, same_cpu_crypt]
  allowDiscards: true
  unmanagedSlots: remove
  tpmReseal: auto
  keys:
    - {slot: 9, static: {passphraseFile: /etc/volumecrypt/keys/state}}
    - {slot: 2, nodeID: {}}
)"));
    EXPECT_EQ(spec.device.path, "/dev/vdb2");
    EXPECT_FALSE(spec.device.byLabel);
    EXPECT_EQ(spec.metaDevice, "/dev/vdb1");
    EXPECT_EQ(spec.format, model::FormatPolicy::Never);
    EXPECT_EQ(spec.mount->where, "/srv/state");
    EXPECT_EQ(spec.mount->options, (std::vector<std::string>{"nodev", "nosuid"}));
    EXPECT_FALSE(spec.required);
    EXPECT_EQ(spec.deviceTimeout, seconds(90));
    EXPECT_EQ(spec.filesystem.type, FilesystemType::Ext4);
    EXPECT_EQ(spec.filesystem.label, "state");
    EXPECT_EQ(spec.encryption->keyBits, 256U);
    EXPECT_EQ(spec.encryption->sectorSize, 4096U);
    EXPECT_EQ(spec.encryption->options, (std::vector{model::PerformanceOption::SameCpuCrypt,
                                                     model::PerformanceOption::NoReadWorkqueue}));
    EXPECT_TRUE(spec.encryption->allowDiscards);
    EXPECT_EQ(spec.encryption->unmanagedSlots, model::UnmanagedSlots::Remove);
    EXPECT_EQ(spec.encryption->tpmReseal, model::TpmReseal::Auto);
    ASSERT_EQ(spec.encryption->keys.size(), 2U);
    EXPECT_EQ(spec.encryption->keys[0].slot, 2U);  // by slot, not by line
    EXPECT_EQ(spec.encryption->keys[1].slot, 9U);
    EXPECT_EQ(std::get<model::StaticKey>(spec.encryption->keys[1].parameters).passphraseFile,
              "/etc/volumecrypt/keys/state");
}

TEST(ConfigValues, KmsKey) {
    const model::VolumeSpec spec = single(userVolume(
        "encryption: {keys: [{kms: {endpoint: \"grpcs://kms:4050\", caFile: /etc/ca.pem, "
        "clientCertFile: /etc/c.pem, clientKeyFile: /etc/k.pem}}]}\n"));
    const auto &kms = std::get<model::KmsKey>(spec.encryption->keys.at(0).parameters);
    EXPECT_EQ(kms.endpoint, "grpcs://kms:4050");
    EXPECT_EQ(kms.caFile, "/etc/ca.pem");
    EXPECT_EQ(kms.clientCertFile, "/etc/c.pem");
    EXPECT_EQ(kms.clientKeyFile, "/etc/k.pem");
}

TEST(ConfigValues, TpmKeys) {
    const model::VolumeSpec spec = single(userVolume(R"(
encryption:
  keys:
    - {slot: 0, tpm: {}}
    - {slot: 1, tpm: {options: }}
    - {slot: 2, tpm: {options: {pcrs: [7, 0, 7]}, checkSecurebootStatusOnEnroll: true, tcti: swtpm}}
    - {slot: 3, tpm: {options: {}, signedPolicy: {publicKey: /etc/pcr.pem}}}
    - {slot: 4, tpm: {signedPolicy: {pcrs: [15, 11]}}}
)"));
    const auto tpm = [&](std::size_t i) -> const model::TpmKey & {
        return std::get<model::TpmKey>(spec.encryption->keys.at(i).parameters);
    };
    using Pcrs = std::vector<unsigned>;
    EXPECT_EQ(tpm(0).pcrs, Pcrs{7});
    EXPECT_FALSE(tpm(0).signedPolicy);
    EXPECT_FALSE(tpm(0).checkSecurebootStatusOnEnroll);
    EXPECT_EQ(tpm(1).pcrs, Pcrs{7});
    EXPECT_EQ(tpm(2).pcrs, (Pcrs{0, 7}));  // the TPM hashes in ascending order, each once
    EXPECT_TRUE(tpm(2).checkSecurebootStatusOnEnroll);
    EXPECT_EQ(tpm(0).tcti, "");
    EXPECT_EQ(tpm(2).tcti, "swtpm");
    EXPECT_EQ(tpm(3).pcrs, Pcrs{});  // options without pcrs: none, as Talos
    ASSERT_TRUE(tpm(3).signedPolicy);
    EXPECT_EQ(tpm(3).signedPolicy->publicKey, "/etc/pcr.pem");
    EXPECT_EQ(tpm(3).signedPolicy->pcrs, Pcrs{11});
    EXPECT_EQ(tpm(4).signedPolicy->publicKey, "");
    EXPECT_EQ(tpm(4).signedPolicy->pcrs, (Pcrs{11, 15}));
}

TEST(ConfigValues, BothSpellingsLockToState) {
    Configuration result =
        valid(systemVolume("STATE", "---\n") +
              userVolume(
                  "encryption: {keys: [{slot: 0, nodeID: {}, lockToState: true}, {slot: 1, "
                  "nodeID: {}, lockToSTATE: true}, {slot: 2, nodeID: {}, lockToState: false}]}\n"));
    const auto *spec = std::as_const(result).find(*model::VolumeId::parse("u-data"));
    ASSERT_NE(spec, nullptr);
    EXPECT_TRUE(spec->encryption->keys[0].lockToState);
    EXPECT_TRUE(spec->encryption->keys[1].lockToState);
    EXPECT_FALSE(spec->encryption->keys[2].lockToState);
}

struct PassphraseCase {
    const char *yaml;
    const char *expected;
};

TEST(ConfigSecrets, PassphrasesAreTheBytesOfTheText) {
    for (const auto &[yaml, expected] :
         {PassphraseCase{"supersecret", "supersecret"}, PassphraseCase{"1234", "1234"},
          PassphraseCase{"0x10", "0x10"}, PassphraseCase{"true", "true"},
          PassphraseCase{"\"a b\"", "a b"}, PassphraseCase{"'it''s'", "it's"},
          PassphraseCase{"\"\\u00e9\\n\"", "\xC3\xA9\n"}, PassphraseCase{"!!str 12", "12"},
          PassphraseCase{"|-\n          a\n          b\n", "a\nb"}}) {
        const model::VolumeSpec spec =
            single(userVolume(std::string("encryption:\n  keys:\n    - static:\n"
                                          "        passphrase: ") +
                              yaml));
        EXPECT_EQ(passphraseOf(spec.encryption->keys.at(0)), expected) << yaml;
    }
}

TEST(ConfigSecrets, DroppedPassphrasesLeaveTheKey) {
    const model::VolumeSpec spec =
        single(userVolume("encryption: {keys: [{slot: 3, static: {passphrase: hunter2}}]}\n"),
               Secrets::Drop);
    const model::KeySpec &key = spec.encryption->keys.at(0);
    EXPECT_EQ(key.kind(), model::KeyKind::Static);
    EXPECT_EQ(key.slot, 3U);
    EXPECT_EQ(passphraseOf(key), "");
}

TEST(ConfigSecrets, APassphraseFromAnAliasIsKept) {
    const std::string yaml = userVolume(
        "encryption: {keys: [{slot: 0, static: {passphrase: &p hunter2}}, {slot: 1, "
        "static: {passphrase: *p}}]}\n");
    EXPECT_EQ(passphraseOf(single(yaml).encryption->keys.at(1)), "hunter2");
    EXPECT_EQ(passphraseOf(single(yaml, Secrets::Drop).encryption->keys.at(1)), "");
}

struct DurationCase {
    const char *text;
    std::optional<seconds> expected;
};

TEST(ConfigDuration, IsThatOfSystemdInWholeSeconds) {
    for (const auto &[text, expected] : std::initializer_list<DurationCase>{
             {"0", seconds(0)},
             {"infinity", seconds(0)},
             {"15", seconds(15)},
             {"15s", seconds(15)},
             {"15 s", seconds(15)},
             {"15sec", seconds(15)},
             {"2seconds", seconds(2)},
             {"3m", seconds(180)},
             {"1min", seconds(60)},
             {"1min 30s", seconds(90)},
             {"1h30min", seconds(5400)},
             {"2hr", seconds(7200)},
             {"1 day", seconds(86400)},
             {"2w", seconds(1209600)},
             {"", std::nullopt},
             {" ", std::nullopt},
             {"s", std::nullopt},
             {"-1", std::nullopt},
             {"+1s", std::nullopt},
             {"1.5h", std::nullopt},
             {"500ms", std::nullopt},
             {"1M", std::nullopt},
             {"1min 30", std::nullopt},
             {"1 30s", std::nullopt},
             {"1S", std::nullopt},
             {"soon", std::nullopt},
             {"99999999999999999999", std::nullopt},
             {"999999999w", std::nullopt},
             {"100000001", std::nullopt},
         })
        EXPECT_EQ(parseDuration(text), expected) << '"' << text << '"';
}

TEST(ConfigDuration, IsReadFromTheMount) {
    EXPECT_EQ(single(userVolume("mount: {deviceTimeout: 15}\n")).deviceTimeout, seconds(15));
    EXPECT_EQ(single(userVolume("mount: {deviceTimeout: 2h}\n")).deviceTimeout, seconds(7200));
}

TEST(ConfigFind, ById) {
    Configuration result = valid(systemVolume("STATE", ""));
    ASSERT_NE(result.find(model::VolumeId::state()), nullptr);
    EXPECT_EQ(result.find(model::VolumeId::ephemeral()), nullptr);
    result.find(model::VolumeId::state())->required = false;
    EXPECT_FALSE(result.volumes.at(0).required);
}

}  // namespace
}  // namespace volumecrypt::config::test
