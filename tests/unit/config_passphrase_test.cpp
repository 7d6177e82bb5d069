// SPDX-License-Identifier: Apache-2.0
// A passphrase that is taken is, byte for byte, the one that stands in the file.
#include "config_case.h"

namespace volumecrypt::config::test {
namespace {

// The value begins at 8:21.
std::string written(const std::string &value) {
    return userVolume(
        "encryption:\n  keys:\n    - slot: 3\n      static:\n        passphrase: " + value + "\n");
}

std::string passphraseOf(const Configuration &configuration) {
    if (configuration.volumes.size() != 1) return "(no volume)";
    const model::VolumeSpec &spec = configuration.volumes[0];
    if (!spec.encryption || spec.encryption->keys.size() != 1) return "(no key)";
    const auto &secret = std::get<model::StaticKey>(spec.encryption->keys[0].parameters).passphrase;
    return {secret.chars(), secret.size()};
}

struct TakenPassphrase {
    const char *name;
    std::string written;
    std::string read;
};

std::ostream &operator<<(std::ostream &stream, const TakenPassphrase &taken) {
    return stream << taken.name;
}

std::string takenName(const testing::TestParamInfo<TakenPassphrase> &info) {
    return info.param.name;
}

class ConfigTakenPassphrase : public testing::TestWithParam<TakenPassphrase> {};

TEST_P(ConfigTakenPassphrase, IsReadAsItIsMeant) {
    const Configuration configuration = parseText(written(GetParam().written));
    EXPECT_TRUE(problemLines(configuration).empty());
    EXPECT_EQ(passphraseOf(configuration), GetParam().read);
    EXPECT_EQ(passphraseOf(parseText(written(GetParam().written), Secrets::Drop)), "");
}

const std::vector<TakenPassphrase> kTaken{
    {"Plain", "correct horse", "correct horse"},
    {"PlainWithSigns", "a#b&c!d*e:f\"g'h\\i", "a#b&c!d*e:f\"g'h\\i"},
    {"PlainUnicode", "Straße", "Straße"},
    {"Quoted", "\"correct horse #1\"", "correct horse #1"},
    {"QuotedBeforeAComment", "'correct horse' # of 2024", "correct horse"},
    {"QuotedWithBlanks", "' x '  ", " x "},
    {"QuotedQuotation", "'it''s'", "it's"},
    {"EscapedQuotation", R"("a\"b\\")", "a\"b\\"},
    {"EscapedLineEnd", R"("a\nb")", "a\nb"},
    {"AnchoredAndQuoted", "&p \"x\"", "x"},
    {"TaggedText", "!!str \"x\"", "x"},
    {"CarriageReturn", "abc\r", "abc"},
    {"BlockOfTwoLines", "|-\n          a\n          b", "a\nb"},
    {"BlockWithoutLineEnd", "|-\n          a # b", "a # b"},
    // Talos has these in UTF-8.
    {"NextLine", R"("a\Nb")",
     "a\xC2\x85"
     "b"},
    {"NoBreakSpace", R"("ä\_")", "ä\xC2\xA0"},
    {"LineSeparator", R"("\L\P")", "\xE2\x80\xA8\xE2\x80\xA9"},
    {"ByteEscape", R"("\xe4\x85")", "ä\xC2\x85"},
    {"ShortEscape", R"("\u00e4\u20ac")", "ä€"},
    {"LongEscape", R"("\U0001F511")", "\xF0\x9F\x94\x91"},
    {"EscapedNul", R"("a\0b")", std::string("a\0b", 3)},
};
INSTANTIATE_TEST_SUITE_P(Taken, ConfigTakenPassphrase, testing::ValuesIn(kTaken), takenName);

class ConfigCutPassphrase : public testing::TestWithParam<Case> {};

TEST_P(ConfigCutPassphrase, IsReported) {
    expectProblems(GetParam());
}

const std::string kCut = "8:21: slot 3: YAML ";
const std::string kComment =
    kCut + "takes what follows \" #\" for a comment: put the passphrase in quotation marks";
const std::string kName =
    kCut + "takes the word after \"&\" for a name: put the passphrase in quotation marks";
const std::string kTrailing =
    kCut +
    "drops the blanks at the end of the passphrase: remove them, or put it in quotation marks";
const std::string kJoined = kCut + "joins the lines of the passphrase: write it in one line";
const std::string kLineEnd =
    "warning 8:21: slot 3: the passphrase ends with a line end, which YAML's \"|\" and \">\" add; "
    "in "
    "quotation marks it has none";

const std::vector<Case> kShortened{
    {"Comment", written("correct horse #1"), {kComment}},
    {"CommentAfterATab", written("correct\t# horse"), {kComment}},
    {"Anchor", written("&correct horse"), {kName}},
    {"AnchorAndComment", written("&correct horse # battery"), {kName}},
    {"TaggedAndCut", written("!!str correct # horse"), {kComment}},
    {"Blank", written("correct "), {kTrailing}},
    {"TabAtTheEnd", written("correct\t"), {kTrailing}},
    {"TwoLines", written("correct\n          horse"), {kJoined}},
    {"TwoQuotedLines", written("\"correct\n          horse\""), {kJoined}},
    {"EscapedLineOfTwo", written("\"correct \\\n          horse\""), {kJoined}},
    {"Literal", written("|\n          horse"), {kLineEnd}},
    {"Folded", written(">\n          correct\n          horse"), {kLineEnd}},
    {"UnknownAlias", written("*correct"), {"8:21: YAML: the referenced anchor is not defined"}},
    {"AliasOfACutText",
     "x: &p correct # horse\n" + userVolume("encryption: {keys: [{static: {passphrase: *p}}]}\n"),
     {"1:1: unknown field \"x\"",
      "1:4: slot 0: YAML takes what follows \" #\" for a comment: put the passphrase in quotation "
      "marks"}},
};
INSTANTIATE_TEST_SUITE_P(Cut, ConfigCutPassphrase, testing::ValuesIn(kShortened), caseName);

TEST(ConfigPassphrase, ALineEndIsKeptAsInTalos) {
    EXPECT_EQ(passphraseOf(parseText(written("|\n          horse"))), "horse\n");
}

// Where passphrases are dropped, the text of an anchor is none that is kept.
TEST(ConfigPassphrase, OfAnAliasIsReadAndDropped) {
    const std::string yaml = userVolume(
        "encryption:\n  keys:\n    - static: {<<: {passphrase: &p 'x #'}, passphrase: *p}\n");
    EXPECT_EQ(passphraseOf(parseText(yaml)), "x #");
    EXPECT_EQ(passphraseOf(parseText(yaml, Secrets::Drop)), "");
    const std::string elsewhere =
        userVolume("encryption:\n  keys:\n    - static: {<<: {x: &p y}, passphrase: *p}\n");
    EXPECT_EQ(problemLines(parseText(elsewhere, Secrets::Drop)),
              problemLines(parseText(elsewhere, Secrets::Keep)));
}

}  // namespace
}  // namespace volumecrypt::config::test
