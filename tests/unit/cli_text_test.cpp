// SPDX-License-Identifier: Apache-2.0
// Text, tables and progress of volumecryptctl: what a person and what a program sees.
#include <gtest/gtest.h>
#include <unistd.h>

#include "cli/progress.h"
#include "cli/table.h"
#include "cli/text.h"

namespace volumecrypt::cli {
namespace {

constexpr Style kPlainText{};
constexpr Style kTerminalText{.terminal = true, .colour = false};
constexpr Style kColourText{.terminal = true, .colour = true};

struct PrintableCase {
    const char *name;
    std::string in;
    std::string out;
};

std::string nameOf(const ::testing::TestParamInfo<PrintableCase> &info) {
    return info.param.name;
}

class Printable : public ::testing::TestWithParam<PrintableCase> {};

TEST_P(Printable, LeavesNothingThatSteersATerminal) {
    EXPECT_EQ(printable(GetParam().in), GetParam().out);
}

INSTANTIATE_TEST_SUITE_P(
    Cli, Printable,
    ::testing::Values(
        PrintableCase{"Plain", "/dev/disk/by-partlabel/u-data", "/dev/disk/by-partlabel/u-data"},
        PrintableCase{"Accent",
                      "donn\xc3\xa9"
                      "es \xf0\x9f\x94\x92",
                      "donn\xc3\xa9"
                      "es \xf0\x9f\x94\x92"},
        PrintableCase{"Escape", "a\033[2Jb", "a\\x1b[2Jb"},
        PrintableCase{"Newline", "a\nb\tc\x7f", "a\\x0ab\\x09c\\x7f"},
        PrintableCase{"Nul", std::string("a\0b", 3), "a\\x00b"},
        PrintableCase{"C1Control",
                      "a\xc2\x9b"
                      "31m",
                      "a\\xc2\\x9b31m"},
        PrintableCase{"RightToLeft",
                      "a\xe2\x80\xae"
                      "b",
                      "a\\xe2\\x80\\xaeb"},
        PrintableCase{"ZeroWidth",
                      "a\xe2\x80\x8b"
                      "b\xef\xbb\xbf",
                      "a\\xe2\\x80\\x8bb\\xef\\xbb\\xbf"},
        PrintableCase{"CutOff", "a\xc3", "a\\xc3"}, PrintableCase{"Lone", "\x80z", "\\x80z"},
        PrintableCase{"Overlong", "\xc0\xaf\xe0\x80\xaf", "\\xc0\\xaf\\xe0\\x80\\xaf"},
        PrintableCase{"Surrogate", "\xed\xa0\x80", "\\xed\\xa0\\x80"},
        PrintableCase{"TooLarge", "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"}),
    nameOf);

TEST(CliText, FieldsAreNeverEmpty) {
    EXPECT_EQ(field(""), "-");
    EXPECT_EQ(field("a\tb"), "a\\x09b");
}

TEST(CliText, Sizes) {
    EXPECT_EQ(humanBytes(0), "0 B");
    EXPECT_EQ(humanBytes(1023), "1023 B");
    EXPECT_EQ(humanBytes(1024), "1.0 KiB");
    EXPECT_EQ(humanBytes(3ULL << 30), "3.0 GiB");
    EXPECT_EQ(humanBytes(~0ULL), "16.0 EiB");
    EXPECT_EQ(humanSeconds(119), "119 s");
    EXPECT_EQ(humanSeconds(120), "2 min");
    EXPECT_EQ(humanSeconds(7800), "2 h 10 min");
}

Table volumes() {
    Table table({"VOLUME", "STATE"});
    table.add({Cell("STATE", Colour::Bold), Cell("unlocked", Colour::Green)});
    table.add({"u-\033", ""});
    return table;
}

TEST(CliTable, PlainLinesHaveNoHeaderAndOneTab) {
    EXPECT_EQ(volumes().render(kPlainText), "STATE\tunlocked\nu-\\x1b\t-\n");
}

TEST(CliTable, ATerminalGetsAlignedColumnsWithoutTrailingBlanks) {
    EXPECT_EQ(volumes().render(kTerminalText, 1),
              " VOLUME  STATE\n STATE   unlocked\n u-\\x1b  -\n");
}

TEST(CliTable, ColoursAreAroundTheTextOnly) {
    EXPECT_EQ(volumes().render(kColourText),
              "\033[1mVOLUME\033[0m  \033[1mSTATE\033[0m\n"
              "\033[1mSTATE\033[0m   \033[32munlocked\033[0m\n"
              "u-\\x1b  -\n");
}

TEST(CliTable, AnEmptyOneIsEmpty) {
    EXPECT_EQ(Table({"A"}).render(kTerminalText), "");
    EXPECT_EQ(Table({"A"}).render(kPlainText), "");
}

TEST(CliTable, PipesAreNoTerminals) {
    int ends[2] = {-1, -1};
    ASSERT_EQ(::pipe(ends), 0);
    EXPECT_FALSE(Style::of(ends[1]).terminal);
    EXPECT_FALSE(Style::of(ends[1]).colour);
    ::close(ends[0]);
    ::close(ends[1]);
}

JobInfo job(double progress, std::uint64_t done, std::uint64_t total, std::uint64_t rate) {
    JobInfo info;
    info.number = "3";
    info.operation = "wipe";
    info.volume = "u-data";
    info.progress = progress;
    info.bytesDone = done;
    info.bytesTotal = total;
    info.rate = rate;
    if (rate != 0) info.secondsLeft = (total - done) / rate;
    return info;
}

TEST(CliProgress, SaysWhatIsKnown) {
    EXPECT_EQ(progressLine(job(0, 0, 0, 0)), "wipe u-data: running");
    EXPECT_EQ(progressLine(job(0.426, 0, 0, 0)), "wipe u-data: [########------------] 43%");
    EXPECT_EQ(progressLine(job(0.5, 1ULL << 30, 2ULL << 30, 64ULL << 20)),
              "wipe u-data: [##########----------] 50%, 1.0 GiB of 2.0 GiB, 64.0 MiB/s, 16 s left");
    EXPECT_EQ(progressLine(job(1, 2ULL << 30, 2ULL << 30, 64ULL << 20)),
              "wipe u-data: [####################] 100%, 2.0 GiB of 2.0 GiB, 64.0 MiB/s");
}

TEST(Sentence, EndsWithAMark) {
    for (const char *text : {"Is it there?", "Try again.", "No!"})
        EXPECT_EQ(base::sentence(text), text);
    EXPECT_EQ(base::sentence("try again"), "try again.");
}

}  // namespace
}  // namespace volumecrypt::cli
