// SPDX-License-Identifier: Apache-2.0
// Which documents declare a volume, and what a document may say about itself.
#include "config_case.h"

namespace volumecrypt::config::test {
namespace {

class ConfigDocument : public testing::TestWithParam<Case> {};

TEST_P(ConfigDocument, Problems) {
    expectProblems(GetParam());
}

std::string document(const std::string &kind, const std::string &name) {
    return "apiVersion: v1alpha1\nkind: " + kind + "\nname: " + name + "\n";
}

const std::vector<Case> kKinds{
    {"Empty", "", {}},
    {"OnlyComments", "# nothing\n\n", {}},
    {"EmptyDocuments", "---\n---\n# nothing\n---\n~\n...\n", {}},
    {"AllFourKinds",
     document("VolumeConfig", "STATE") + "---\n" + document("VolumeConfig", "EPHEMERAL") + "---\n" +
         document("UserVolumeConfig", "a") + "---\n" + document("RawVolumeConfig", "a") + "---\n" +
         document("SwapVolumeConfig", "a"),
     {}},
    {"OtherTalosKind",
     "apiVersion: v1alpha1\nkind: ExistingVolumeConfig\nname: data\ndiscovery: {}\n",
     {"warning 2:7: a document of kind \"ExistingVolumeConfig\" is skipped"}},
    {"MisspeltKind",
     "apiVersion: v1alpha1\nkind: uservolumeConfigs\nname: data\n",
     {"warning 2:7: a document of kind \"uservolumeConfigs\" is skipped; did you mean "
      "\"UserVolumeConfig\"?"}},
    {"NoKind", "foo: bar\n", {"warning 1:1: a document without kind is skipped"}},
    {"NullKind",
     "apiVersion: v1alpha1\nkind:\nname: x\n",
     {"warning 1:1: a document without kind is skipped"}},
    {"LegacyMachineConfig",
     "version: v1alpha1\nmachine:\n  systemDiskEncryption:\n    state: {provider: luks2}\n",
     {"warning 1:1: a document without kind is skipped, and its machine.systemDiskEncryption with "
      "it: declare a VolumeConfig"}},
    {"NoMap", "just words\n", {"1:1: a document must be a map, not text"}},
    {"List", "- kind: VolumeConfig\n", {"1:1: a document must be a map, not a list"}},
    {"NoApiVersion", "kind: VolumeConfig\nname: STATE\n", {"1:1: apiVersion is required"}},
    {"OtherApiVersion",
     "apiVersion: v1beta1\nkind: VolumeConfig\nname: STATE\nfuture: 1\n",
     {"1:13: unsupported apiVersion \"v1beta1\": only v1alpha1 is known"}},
    {"ApiVersionOfWrongType",
     "apiVersion: [v1alpha1]\nkind: VolumeConfig\nname: STATE\n",
     {"1:13: apiVersion must be text, not a list"}},
};
INSTANTIATE_TEST_SUITE_P(Kinds, ConfigDocument, testing::ValuesIn(kKinds), caseName);

const std::string kSystemNames =
    "3:7: only [\"STATE\" \"EPHEMERAL\" \"IMAGECACHE\" \"ETCD\" \"CRI\" \"KUBELET\" \"LOG\"] "
    "volumes "
    "are supported";

const std::vector<Case> kNames{
    {"NoName", "apiVersion: v1alpha1\nkind: UserVolumeConfig\n", {"1:1: name is required"}},
    {"NullName", document("VolumeConfig", "~"), {"1:1: name is required"}},
    {"EmptyName", document("UserVolumeConfig", "\"\""), {"3:7: name is required"}},
    {"NameOfWrongType", document("RawVolumeConfig", "{}"), {"3:7: name must be text, not a map"}},
    {"LongestName", document("UserVolumeConfig", std::string(34, 'x')), {}},
    {"TooLongName",
     document("UserVolumeConfig", std::string(35, 'x')),
     {"3:7: name must be between 1 and 34 characters long"}},
    {"NameWithUnderscore",
     document("SwapVolumeConfig", "a_b"),
     {"3:7: name can only contain lowercase and uppercase ASCII letters, digits, and hyphens"}},
    {"NumberIsAName", document("UserVolumeConfig", "42"), {}},
    {"UnknownSystemVolume", document("VolumeConfig", "DATA"), {kSystemNames}},
    {"SystemVolumeInLowerCase", document("VolumeConfig", "state"), {kSystemNames}},
    {"ImageCache", document("VolumeConfig", "IMAGECACHE"), {}},
    {"OtherProblemsOfABadNameAreReportedToo",
     document("UserVolumeConfig", "a.b") + "color: red\n",
     {"3:7: name can only contain lowercase and uppercase ASCII letters, digits, and hyphens",
      "4:1: unknown field \"color\""}},
};
INSTANTIATE_TEST_SUITE_P(Names, ConfigDocument, testing::ValuesIn(kNames), caseName);

const std::vector<Case> kFields{
    {"UnknownField", userVolume("color: red\n"), {"4:1: unknown field \"color\""}},
    {"CloseToAKnownOne",
     userVolume("encyption: {}\n"),
     {"4:1: unknown field \"encyption\"; did you mean \"encryption\"?"}},
    {"CaseMatters",
     userVolume("Mount: {}\n"),
     {"4:1: unknown field \"Mount\"; did you mean \"mount\"?"}},
    {"SwappedLetters",
     userVolume("mount: {hwere: /a}\n"),
     {"4:9: unknown field \"hwere\" of mount; did you mean \"where\"?"}},
    {"NoSpaceAfterTheColon",
     userVolume("mount:\n  where:/a\n  required: true\n"),
     // YAML itself fails here: two words in two lines are one key.
     {"6:11: YAML: illegal map value"}},
    {"NoSpaceAfterTheColonInAFlow",
     userVolume("mount: {where:/a}\n"),
     {"4:9: mount.where: a space is missing after the colon"}},
    {"FieldOfAnotherKind",
     document("RawVolumeConfig", "x") + "volumeType: partition\n",
     {"4:1: unknown field \"volumeType\""}},
    {"Doubled",
     userVolume("mount:\n  where: /a\n  where: /b\n"),
     {"6:3: field \"where\" of mount is given twice, first in line 5"}},
    {"DoubledAtTheTop",
     userVolume("name: other\n"),
     {"4:1: field \"name\" is given twice, first in line 3"}},
    {"DoubledUnknownFieldIsReportedOnce",
     userVolume("x: 1\nx: 2\n"),
     {"4:1: unknown field \"x\"", "5:1: field \"x\" is given twice, first in line 4"}},
    {"NameThatIsNoText",
     userVolume("[a]: 1\n~: 2\n"),
     {"4:1: a field's name must be text, not a list",
      "5:1: a field's name must be text, not nothing"}},
    {"HostileName",
     userVolume("\"\\e[31m" + std::string(100, 'x') + "\": 1\n"),
     {"4:1: unknown field \"\\x1b[31m" + std::string(59, 'x') + "…\""}},
    {"MapsThatAreNone",
     userVolume("volume: /dev/sda\nmount: [a]\nfilesystem: xfs\nencryption: 1\n"
                "provisioning: yes\n"),
     {"4:9: volume must be a map, not text", "5:8: mount must be a map, not a list",
      "6:13: filesystem must be a map, not text", "7:13: encryption must be a map, not text",
      "8:15: provisioning must be a map, not text"}},
    {"NullIsNotGiven",
     userVolume("volume:\nmount: ~\nfilesystem: null\nencryption:\nprovisioning:\nvolumeType:\n"),
     {}},
};
INSTANTIATE_TEST_SUITE_P(Fields, ConfigDocument, testing::ValuesIn(kFields), caseName);

const std::vector<Case> kTalosFields{
    {"ProvisioningIsIgnored",
     userVolume("provisioning:\n  diskSelector: {match: \"!system_disk\"}\n  minSize: 4GiB\n"),
     {"warning 5:3: provisioning is ignored: the partition has to be there"}},
    {"ProvisioningOfState",
     systemVolume("STATE", "provisioning: {minSize: 4GiB}\n"),
     {"4:15: provisioning config is not allowed for the \"STATE\" volume"}},
    {"EmptyProvisioningOfState", systemVolume("STATE", "provisioning: {}\n"), {}},
    {"PartitionIsTheVolumeType", userVolume("volumeType: partition\n"), {}},
    {"UnknownVolumeType",
     userVolume("volumeType: tmpfs\n"),
     {"4:13: unsupported volume type \"tmpfs\""}},
    {"Directory",
     userVolume("volumeType: directory\n"),
     {"warning 4:13: volumeType \"directory\": nothing is done for it"}},
    {"DirectoryWithMore",
     userVolume("volumeType: directory\nprovisioning: {grow: true}\nencryption: {provider: none}\n"
                "filesystem: {type: xfs}\n"),
     {"warning 4:13: volumeType \"directory\": nothing is done for it",
      "5:15: provisioning spec is invalid for volumeType directory",
      "6:13: encryption spec is invalid for volumeType directory",
      "7:13: filesystem spec is invalid for volumeType directory"}},
    {"Disk",
     userVolume("volumeType: disk\nprovisioning: {diskSelector: {match: x}, maxSize: 1GiB}\n"),
     {"warning 4:13: volumeType \"disk\": no disk is searched for; name it in volume.device",
      "5:15: min size, max size and grow are not supported"}},
};
INSTANTIATE_TEST_SUITE_P(Talos, ConfigDocument, testing::ValuesIn(kTalosFields), caseName);

const std::vector<Case> kTogether{
    {"TwoDocumentsForOneVolume",
     userVolume("---\n" + userVolume("")),
     {"5:1: u-data is declared twice, first at f:1:1"}},
    {"SameNameOfAnotherKindIsAnotherVolume",
     document("UserVolumeConfig", "a") + "---\n" + document("RawVolumeConfig", "a"),
     {}},
    {"SameMountPoint",
     document("UserVolumeConfig", "a") + "---\n" + document("UserVolumeConfig", "b") +
         "mount: {where: /var/mnt/a}\n",
     {"1:1: mount point /var/mnt/a is also that of u-b (f:8:16)",
      "8:16: mount point /var/mnt/a is also that of u-a (f:1:1)"}},
    {"SameDevice",
     document("UserVolumeConfig", "a") + "volume: {device: /dev/vdb}\n---\n" +
         document("RawVolumeConfig", "b") + "volume: {device: /dev/vdb}\n",
     {"4:18: device /dev/vdb is also that of r-b (f:9:18)",
      "9:18: device /dev/vdb is also that of u-a (f:4:18)"}},
    {"DeviceOfAnotherVolumesLabel",
     document("UserVolumeConfig", "a") + "---\n" + document("SwapVolumeConfig", "b") +
         "volume: {device: /dev/disk/by-partlabel/u-a}\n",
     {"1:1: device /dev/disk/by-partlabel/u-a is also that of s-b (f:8:18)",
      "8:18: device /dev/disk/by-partlabel/u-a is also that of u-a (f:1:1)"}},
    {"MetaAsADevice",
     systemVolume("STATE", "---\n" + userVolume("volume: {device: /dev/disk/by-partlabel/META}\n")),
     {"1:1: device /dev/disk/by-partlabel/META is also that of u-data (f:8:18)",
      "8:18: device /dev/disk/by-partlabel/META is also that of STATE (f:1:1)"}},
    {"LockToStateWithoutState",
     userVolume("encryption:\n  keys:\n    - {nodeID: {}, lockToState: true}\n"),
     {"6:33: the key is locked to STATE, but no document declares the \"STATE\" volume"}},
    {"AnInvalidStateIsDeclared",
     systemVolume("STATE",
                  "color: red\n---\n" +
                      userVolume("encryption: {keys: [{nodeID: {}, lockToState: true}]}\n")),
     {"4:1: unknown field \"color\""}},
    {"NothingIsSaidOfStateWhenTheFileBreaksOff",
     userVolume("encryption: {keys: [{nodeID: {}, lockToState: true}]}\n---\nname: [STATE\n"),
     {"7:1: YAML: end of sequence flow not found"}},
};
INSTANTIATE_TEST_SUITE_P(Together, ConfigDocument, testing::ValuesIn(kTogether), caseName);

TEST(ConfigProblems, CarryTheVolumeAndACode) {
    const Configuration result = parseText(
        userVolume("color: red\n---\n" + document("VolumeConfig", "DATA") + "---\nx: 1\n"));
    ASSERT_EQ(result.problems.size(), 3U);
    EXPECT_EQ(result.problems[0].volume, "u-data");
    EXPECT_EQ(result.problems[0].code, base::ErrorCode::InvalidConfig);
    EXPECT_EQ(result.problems[0].position.file, "f");
    EXPECT_EQ(result.problems[1].volume, "");
    EXPECT_EQ(result.problems[1].code, base::ErrorCode::InvalidConfig);
    EXPECT_EQ(result.problems[2].level, Level::Warning);
    EXPECT_TRUE(result.hasErrors());
    EXPECT_FALSE(parseText("x: 1\n").hasErrors());
}

TEST(ConfigProblems, InvalidVolumesAreLeftOutAndOthersStay) {
    const Configuration result =
        parseText(document("UserVolumeConfig", "good") + "---\n" + userVolume("color: red\n") +
                  "---\n" + document("RawVolumeConfig", "also-good"));
    ASSERT_EQ(result.volumes.size(), 2U);
    EXPECT_EQ(result.volumes[0].id.text(), "r-also-good");
    EXPECT_EQ(result.volumes[1].id.text(), "u-good");
}

TEST(ConfigProblems, NeitherOfTwoConflictingVolumesStays) {
    const std::string twice = userVolume("---\n" + userVolume(""));
    EXPECT_TRUE(parseText(twice).volumes.empty());
    const std::string sameDevice = document("UserVolumeConfig", "a") +
                                   "volume: {device: /dev/vdb}\n---\n" +
                                   userVolume("volume: {device: /dev/vdb}\n");
    EXPECT_TRUE(parseText(sameDevice).volumes.empty());
}

TEST(ConfigProblems, WarningsLeaveTheVolume) {
    EXPECT_EQ(parseText(userVolume("provisioning: {grow: true}\n")).volumes.size(), 1U);
}

}  // namespace
}  // namespace volumecrypt::config::test
