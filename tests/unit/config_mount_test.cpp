// SPDX-License-Identifier: Apache-2.0
// The options that a volume is really mounted with.
#include <optional>

#include "config_case.h"

namespace volumecrypt::config::test {
namespace {

using Options = std::vector<std::string>;

struct MountCase {
    const char *name;
    std::string yaml;
    Options options;
};

std::ostream &operator<<(std::ostream &stream, const MountCase &mountCase) {
    return stream << mountCase.name;
}

std::string mountCaseName(const testing::TestParamInfo<MountCase> &info) {
    return info.param.name;
}

class ConfigMount : public testing::TestWithParam<MountCase> {};

TEST_P(ConfigMount, Options) {
    const Configuration configuration = parseText(GetParam().yaml);
    EXPECT_EQ(problemLines(configuration), Options{});
    ASSERT_EQ(configuration.volumes.size(), 1U);
    ASSERT_TRUE(configuration.volumes[0].mount);
    EXPECT_EQ(configuration.volumes[0].mount->options, GetParam().options);
}

std::string userMount(const std::string &fields) {
    return userVolume("mount: {" + fields + "}\n");
}

const std::vector<MountCase> kMountOptions{
    {"UserVolume", userVolume(""), {"nodev", "nosuid"}},
    {"MountWithoutOptions", userMount("required: true"), {"nodev", "nosuid"}},
    {"State", systemVolume("STATE", ""), {"nodev", "nosuid"}},
    {"Ephemeral", systemVolume("EPHEMERAL", "mount: {where: /var}\n"), {"nodev", "nosuid"}},
    {"FurtherOptions", userMount("options: [ro, noexec]"), {"nodev", "nosuid", "ro", "noexec"}},
    {"GivenOnce", userMount("options: [nosuid, nodev]"), {"nosuid", "nodev"}},
    {"SuidByOption", userMount("options: [suid]"), {"nodev", "suid"}},
    {"DevByOption", userMount("options: [dev, suid]"), {"dev", "suid"}},
    {"Secure", userMount("secure: true"), {"nodev", "nosuid", "noexec"}},
    {"SecureButExec", userMount("secure: true, options: [exec]"), {"nodev", "nosuid", "exec"}},
    {"SecureEphemeral",
     systemVolume("EPHEMERAL", "mount: {where: /var, secure: true}\n"),
     {"nodev", "nosuid"}},
    {"NotSecure", userMount("secure: false"), {}},
    {"NotSecureButNodev", userMount("secure: false, options: [nodev]"), {"nodev"}},
    {"NoAccessTime", userMount("disableAccessTime: true"), {"nodev", "nosuid", "noatime"}},
    {"AccessTime", userMount("disableAccessTime: false"), {"nodev", "nosuid"}},
    {"AnOptionSaysMoreOfTheAccessTime",
     userMount("disableAccessTime: true, options: [relatime]"),
     {"nodev", "nosuid", "relatime"}},
};
INSTANTIATE_TEST_SUITE_P(Options, ConfigMount, testing::ValuesIn(kMountOptions), mountCaseName);

}  // namespace
}  // namespace volumecrypt::config::test
