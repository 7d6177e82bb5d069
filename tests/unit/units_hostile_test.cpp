// SPDX-License-Identifier: Apache-2.0
// Values that try to leave their directive: refused, or harmless.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "units/unit_text.h"
#include "units_support.h"

namespace volumecrypt::test {
namespace {

using model::VolumeSpec;
using testing::HasSubstr;

const std::vector<std::string> kUnsayable = {
    "/srv/x\nExecStart=/bin/sh",
    "/srv/x\r",
    std::string("/srv/x\0y", 8),
    "/srv/\x1b[2J",
    "/srv/\x7f",
    "/srv/\xff",
    " /srv/x",
    "/srv/x ",
};

using Change = void (*)(VolumeSpec &, const std::string &);

struct Place {
    const char *name;
    Change change;
};

const Place kPaths[] = {
    {"device", [](VolumeSpec &v, const std::string &t) { v.device.path = t; }},
    {"meta", [](VolumeSpec &v, const std::string &t) { v.metaDevice = t; }},
    {"where", [](VolumeSpec &v, const std::string &t) { v.mount->where = t; }},
    {"keyFile",
     [](VolumeSpec &v, const std::string &t) { v.encryption->keys.push_back(staticKey(1, t)); }},
    {"caFile",
     [](VolumeSpec &v, const std::string &t) {
         model::KeySpec key = kmsKey(1);
         std::get<model::KmsKey>(key.parameters).caFile = t;
         v.encryption->keys.push_back(std::move(key));
     }},
    {"publicKey",
     [](VolumeSpec &v, const std::string &t) {
         model::KeySpec key = tpmKey(1);
         std::get<model::TpmKey>(key.parameters).signedPolicy = model::SignedPolicy{t, {11}};
         v.encryption->keys.push_back(std::move(key));
     }},
};
const Place kTexts[] = {
    {"option", [](VolumeSpec &v, const std::string &t) { v.mount->options.push_back(t); }},
    {"file", [](VolumeSpec &v, const std::string &t) { v.position.file = t; }},
};

units::GeneratedUnits with(const Place &place, const std::string &text) {
    VolumeSpec volume = encryptedVolume("u-data");
    place.change(volume, text);
    return generate(volumeList(std::move(volume)));
}

void expectRefused(const Place &place, const std::string &text) {
    const auto generated = with(place, text);
    ASSERT_EQ(generated.refusals.size(), 1U) << place.name << ": " << text;
    EXPECT_EQ(generated.refusals[0].error.code, base::ErrorCode::InvalidConfig);
    EXPECT_TRUE(generated.files.empty());
}

TEST(UnitsHostile, unsayableValuesAreRefusedEverywhere) {
    for (const std::string &text : kUnsayable) {
        for (const Place &place : kPaths) expectRefused(place, text);
        for (const Place &place : kTexts) expectRefused(place, text);
    }
}

TEST(UnitsHostile, pathsThatClimbAreRefused) {
    for (const char *text : {"/dev/../etc/x", "/dev/./x", "/srv/..", "srv/x"})
        for (const Place &place : kPaths) expectRefused(place, text);
}

TEST(UnitsHostile, namesLongerThanAFileNameAreRefused) {
    for (const Place &place : {kPaths[0], kPaths[2]})
        expectRefused(place, "/dev/" + std::string(250, 'x'));
}

TEST(UnitsHostile, percentIsDoubled) {
    EXPECT_THAT(contentOf(with(kPaths[2], "/srv/50%n"), "srv-50\\x25n.mount"),
                HasSubstr("\nWhere=/srv/50%%n\n"));
    EXPECT_THAT(contentOf(with(kTexts[0], "comment=%H"), "var-mnt-data.mount"),
                HasSubstr("\nOptions=nodev,nosuid,comment=%%H,nofail\n"));
    EXPECT_THAT(contentOf(with(kTexts[1], "/etc/volumecrypt/%i.yaml"), "var-mnt-data.mount"),
                HasSubstr("\nSourcePath=/etc/volumecrypt/%%i.yaml\n"));
}

TEST(UnitsHostile, lastBackslashDoesNotJoinTheNextLine) {
    EXPECT_EQ(units::lineValue("/srv/a\\"), "/srv/a\\ ");
    EXPECT_EQ(units::lineValue("/srv/a\\b"), "/srv/a\\b");
}

TEST(UnitsHostile, wordsAreQuoted) {
    EXPECT_EQ(units::wordValue("/plain/path-1.x"), "/plain/path-1.x");
    EXPECT_EQ(units::wordValue("/a b"), "\"/a b\"");
    EXPECT_EQ(units::wordValue("/a\"b"), "\"/a\\\"b\"");
    EXPECT_EQ(units::wordValue("/it's"), "\"/it's\"");
    EXPECT_EQ(units::wordValue("/a\\b\\"), "\"/a\\\\b\\\\\"");
    EXPECT_EQ(units::wordValue("/a%b", "-"), "-/a%%b");
    EXPECT_EQ(units::wordValue("/a b", "-"), "\"-/a b\"");
}

// Each line of a unit is a section, a comment or one of these.
TEST(UnitsHostile, onlyKnownDirectives) {
    const std::vector<std::string> odd = {"/srv/a=b;c#d [Service]", "/srv/$HOME `x` ${y}",
                                          "/srv/\"quo'ted", "/srv/back\\slash\\"};
    const std::vector<std::string> known = {"SourcePath",
                                            "BindsTo",
                                            "After",
                                            "Wants",
                                            "Before",
                                            "Requires",
                                            "Description",
                                            "PropagatesStopTo",
                                            "What",
                                            "Where",
                                            "Type",
                                            "Options",
                                            "RequiresMountsFor",
                                            "JobRunningTimeoutSec"};
    for (const std::string &text : odd)
        for (const Place &place : kPaths) {
            if (std::string(place.name) == "caFile" || std::string(place.name) == "publicKey")
                continue;  // they add sandbox lines of their own
            const auto generated = with(place, text);
            ASSERT_TRUE(generated.refusals.empty()) << place.name << ": " << text;
            for (const units::UnitFile &file : generated.files) {
                if (file.path.starts_with("volumecrypt-devices/")) continue;
                std::istringstream lines(file.content);
                for (std::string line; std::getline(lines, line);) {
                    if (line.empty() || line[0] == '#' || line[0] == '[') continue;
                    EXPECT_THAT(known, testing::Contains(line.substr(0, line.find('='))))
                        << file.path << ": " << line;
                }
            }
        }
}

}  // namespace
}  // namespace volumecrypt::test
