// SPDX-License-Identifier: Apache-2.0
// What volumecryptctl's command line accepts, and what it refuses with code 64.
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/command_line.h"
#include "cli/commands.h"

namespace volumecrypt::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

Parsed parse(const std::string &line) {
    std::vector<std::string> words;
    std::istringstream in(line);
    for (std::string word; in >> word;) words.push_back(word);
    return parseCommandLine(words);
}

Arguments accepted(const std::string &line) {
    const Parsed parsed = parse(line);
    if (const auto *leave = std::get_if<Leave>(&parsed)) {
        ADD_FAILURE() << line << ": " << leave->text;
        return {};
    }
    return std::get<Arguments>(parsed);
}

TEST(CliCommandLine, WithoutACommandItLists) {
    EXPECT_EQ(accepted("").command, commands().front());
    EXPECT_STREQ(accepted("").command->name, "list");
    EXPECT_TRUE(accepted("--json").json);
}

TEST(CliCommandLine, CommonOptionsStandBeforeAndAfterTheCommand) {
    EXPECT_TRUE(accepted("--json status").json);
    EXPECT_TRUE(accepted("status --json u-data").json);
    EXPECT_EQ(accepted("status --json u-data").volume, "u-data");
    EXPECT_TRUE(accepted("wipe u-data --no-wait").noWait);
    EXPECT_EQ(accepted("list --address unix:path=/x").address, "unix:path=/x");
}

TEST(CliCommandLine, WhetherToAskIsUndecidedUnlessSaid) {
    EXPECT_EQ(accepted("apply").ask, std::nullopt);
    EXPECT_EQ(accepted("apply --ask").ask, true);
    EXPECT_EQ(accepted("--no-ask apply").ask, false);
}

TEST(CliCommandLine, OptionsOfCommands) {
    const Arguments unlock = accepted("unlock u-data --secret-file -");
    EXPECT_STREQ(unlock.command->name, "unlock");
    EXPECT_EQ(unlock.secretFile, "-");
    EXPECT_FALSE(unlock.passphrase);
    EXPECT_TRUE(accepted("unlock u-data --passphrase").passphrase);
    EXPECT_EQ(accepted("add-key u-data --secret-file=/k").secretFile, "/k");
    EXPECT_EQ(accepted("remove-key u-data 31").slot, 31U);
    EXPECT_EQ(accepted("rotate-key u-data 0").slot, 0U);
    EXPECT_EQ(accepted("grow u-data --secret-file=/k").secretFile, "/k");
    EXPECT_STREQ(accepted("grow u-data").command->name, "grow");
    EXPECT_TRUE(accepted("sync --verify").verify);
    EXPECT_FALSE(accepted("sync u-data").adopt);
    EXPECT_TRUE(accepted("sync --adopt u-data").adopt);
    EXPECT_EQ(accepted("erase STATE --confirm=STATE").confirm, "STATE");
    EXPECT_EQ(accepted("forget STATE").confirm, std::nullopt);
    EXPECT_TRUE(accepted("format STATE --force").force);
    EXPECT_EQ(accepted("cancel 7").job, "7");
    EXPECT_EQ(accepted("plan").volume, "");
}

class Refused : public ::testing::TestWithParam<const char *> {};

TEST_P(Refused, WithCode64AndAHint) {
    const Parsed parsed = parse(GetParam());
    const auto *leave = std::get_if<Leave>(&parsed);
    ASSERT_NE(leave, nullptr) << GetParam();
    EXPECT_EQ(leave->code, 64);
    EXPECT_THAT(leave->text, StartsWith("volumecryptctl: "));
    EXPECT_THAT(leave->text, HasSubstr("\nhint: `volumecryptctl"));
}

INSTANTIATE_TEST_SUITE_P(Cli, Refused,
                         ::testing::Values("frobnicate", "unlock", "lock a b", "list extra",
                                           "remove-key u-data", "remove-key u-data 32",
                                           "remove-key u-data -1", "remove-key u-data x",
                                           "list --secret-file x", "sync --confirm=x",
                                           "unlock a --secret-file x --passphrase",
                                           "list --ask --no-ask", "list --bogus", "list lock a",
                                           "cancel"));

TEST(CliCommandLine, AnEmptyVolumeIsNotAllVolumes) {
    const Parsed parsed = parseCommandLine({"sync", ""});
    const auto *leave = std::get_if<Leave>(&parsed);
    ASSERT_NE(leave, nullptr);
    EXPECT_EQ(leave->code, 64);
}

TEST(CliCommandLine, HelpAndVersionLeaveWithCode0) {
    for (const char *line : {"--help", "-h", "--version", "unlock --help", "list -h"}) {
        const Parsed parsed = parse(line);
        const auto *leave = std::get_if<Leave>(&parsed);
        ASSERT_NE(leave, nullptr) << line;
        EXPECT_EQ(leave->code, 0) << line;
    }
    const Parsed help = parse("--help");
    EXPECT_THAT(std::get<Leave>(help).text,
                HasSubstr("  75  failed, and worth trying again later"));
}

}  // namespace
}  // namespace volumecrypt::cli
