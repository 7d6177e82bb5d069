// SPDX-License-Identifier: Apache-2.0
// YAML itself: syntax errors with their position, encodings, aliases, and bounds on hostile files.
#include <ctime>

#include <fmt/format.h>

#include "config_case.h"

namespace volumecrypt::config::test {
namespace {

class ConfigYaml : public testing::TestWithParam<Case> {};

TEST_P(ConfigYaml, Problems) {
    expectProblems(GetParam());
}

std::string withCarriageReturns(const std::string &text) {
    std::string result;
    for (const char c : text) result += c == '\n' ? std::string("\r\n") : std::string(1, c);
    return result;
}

std::string repeated(const std::string &text, std::size_t times) {
    std::string result;
    result.reserve(text.size() * times);
    for (std::size_t i = 0; i < times; ++i) result += text;
    return result;
}

const std::vector<Case> kSyntax{
    {"Unclosed", userVolume("mount: {where: /a\n"), {"5:1: YAML: end of map flow not found"}},
    {"ColonInAValue", userVolume("mount: where: /a\n"), {"4:13: YAML: illegal map value"}},
    {"UnclosedQuotation",
     userVolume("mount: {where: \"/a\n"),
     {"5:1: YAML: illegal document indicator in scalar"}},
    {"UnclosedQuotationOfAPassphrase",
     userVolume("encryption:\n  keys:\n    - static: {passphrase: 'x\n"),
     {"7:1: YAML: illegal document indicator in scalar"}},
    {"UnclosedQuotationWithoutLineEnd",
     userVolume("mount: {where: \"/a"),
     {"4:19: YAML: illegal EOF in scalar"}},
    {"UnclosedQuotationInTheLastField",
     "kind: VolumeConfig\napiVersion: v1alpha1\nname: \"STATE\n",
     {"4:1: YAML: illegal document indicator in scalar"}},
    {"UnknownEscape",
     userVolume("mount: {where: \"/\\q\"}\n"),
     {"4:20: YAML: unknown escape character"}},
    {"UnknownAnchor",
     userVolume("mount: *other\n"),
     {"4:8: YAML: the referenced anchor is not defined"}},
    // yaml-cpp would deliver empty documents for ever.
    {"CommaOutOfPlace", ",a\n", {"1:1: YAML: unexpected character"}},
    {"CommaAfterADocument", userVolume("---\n---\n, b\n"), {"6:1: YAML: unexpected character"}},
    {"DocumentsBeforeAFaultAreRead",
     userVolume("color: red\n---\nx: [\n"),
     {"4:1: unknown field \"color\"", "7:1: YAML: end of sequence flow not found"}},
    {"NewerYaml", "%YAML 2.0\n---\n" + userVolume(""), {"1:1: YAML: YAML major version too large"}},
};
INSTANTIATE_TEST_SUITE_P(Syntax, ConfigYaml, testing::ValuesIn(kSyntax), caseName);

const std::string kTab = "a tab may not indent YAML: use spaces";

const std::vector<Case> kText{
    {"ByteOrderMark",
     "\xEF\xBB\xBF" + userVolume("color: red\n"),
     {"4:1: unknown field \"color\""}},
    {"ByteOrderMarkInLineOne",
     "\xEF\xBB\xBFkind: VolumeConfig\nkind: VolumeConfig\nname: STATE\n",
     {"1:1: apiVersion is required", "2:1: field \"kind\" is given twice, first in line 1"}},
    {"CarriageReturns",
     withCarriageReturns(userVolume("mount:\n  where: /srv\n  color: red\n")),
     {"6:3: unknown field \"color\" of mount"}},
    {"LoneCarriageReturn",
     "kind: VolumeConfig\rname: STATE\n",
     {"1:19: a carriage return without a line feed"}},
    {"NoLineEndAtTheEnd", userVolume("mount: {where: /srv}"), {}},
    {"Latin1", userVolume("mount: {where: /\xFC}\n"), {"4:17: the file is not UTF-8"}},
    {"Utf16",
     std::string("\xFF\xFE"
                 "k\0",
                 4),
     {"1:1: the file is UTF-16: save it as UTF-8"}},
    {"ByteOrderMarkOfALaterDocument",
     "---\n\xEF\xBB\xBF" + userVolume(""),
     {"2:1: a byte order mark in the middle of the file: remove it"}},
    {"ByteOrderMarkInAValue",
     userVolume("mount: {where: /a\xEF\xBB\xBF}\n"),
     {"4:18: a byte order mark in the middle of the file: remove it"}},
    {"TwoByteOrderMarks",
     "\xEF\xBB\xBF\xEF\xBB\xBF" + userVolume(""),
     {"1:1: a byte order mark in the middle of the file: remove it"}},
    {"OverlongUtf8", userVolume("a: \xC0\xAF\n"), {"4:4: the file is not UTF-8"}},
    {"SurrogateInUtf8", userVolume("a: \xED\xA0\x80\n"), {"4:4: the file is not UTF-8"}},
    {"CutUtf8", userVolume("a: \xE2\x82"), {"4:4: the file is not UTF-8"}},
    {"Nul",
     userVolume(std::string("a: \0\n", 5)),
     {"4:4: the control character 0x00 may not stand in YAML"}},
    // yaml-cpp would take it for the end of the file.
    {"EndOfTransmission",
     userVolume("encryption: {provider: none}\x04\nmount: {where: /}\n"),
     {"4:29: the control character 0x04 may not stand in YAML"}},
    {"TabAtTheFirstKeyOfABlock", userVolume("mount:\n\twhere: /a\n"), {"5:1: " + kTab}},
    {"TabAtALaterKeyOfABlock",
     userVolume("mount:\n  where: /a\n\toptions: []\n"),
     {"6:1: " + kTab}},
    {"TabAfterSpaces", userVolume("mount:\n  \twhere: /a\n"), {"5:3: " + kTab}},
    {"TabBeforeAListItem", userVolume("mount:\n  options:\n\t- nodev\n"), {"6:1: " + kTab}},
    {"TabInAFlow", userVolume("mount: {\n\twhere: /a}\n"), {"5:1: " + kTab}},
    {"TabBetweenWords", userVolume("mount:\t{where:\t/a}\t# fine\n"), {}},
    {"TabInAnEmptyLineOrComment", "\t\n\t# fine\n" + userVolume("mount: {where: /a}\n"), {}},
};
INSTANTIATE_TEST_SUITE_P(Text, ConfigYaml, testing::ValuesIn(kText), caseName);

const std::vector<Case> kAliases{
    {"Alias",
     userVolume("encryption: &e\n  keys: [{nodeID: {}}]\n") +
         "---\napiVersion: v1alpha1\nkind: RawVolumeConfig\nname: &n raw\n"
         "encryption: {keys: [&k {nodeID: {}}, {slot: 1, nodeID: {}}]}\n",
     {}},
    {"FaultInAnAnchorIsToldWhereItStands",
     userVolume("mount: &m {color: red}\nvolume: *m\n"),
     {"4:12: unknown field \"color\" of volume", "4:12: unknown field \"color\" of mount"}},
    {"AnchorsEndWithTheirDocument",
     userVolume("mount: &m {}\n---\n" + userVolume("mount: *m\n")),
     {"9:8: YAML: the referenced anchor is not defined"}},
    {"AliasInItself",
     userVolume("mount: &m {where: *m}\n"),
     {"4:19: an alias stands inside its own anchor"}},
    {"Merge",
     userVolume("encryption:\n  keys:\n    - &first {slot: 0, nodeID: {}}\n"
                "    - {<<: *first, slot: 1}\n    - <<: [*first]\n      slot: 2\n"),
     {}},
    {"MergedFieldsAreChecked",
     userVolume("mount:\n  <<: {color: red}\n"),
     {"5:8: unknown field \"color\" of mount"}},
    {"MergeOfText",
     userVolume("mount:\n  <<: x\n"),
     {"5:3: \"<<\" needs a map, or a list of maps"}},
    {"QuotedMergeIsAField",
     userVolume("mount:\n  \"<<\": {where: /a}\n"),
     {"5:3: unknown field \"<<\" of mount"}},
};
INSTANTIATE_TEST_SUITE_P(Aliases, ConfigYaml, testing::ValuesIn(kAliases), caseName);

// Each doubles what is below: 2^40 nodes in 40 lines.
std::string laughs() {
    std::string text = "a0: &a0 [x, x]\n";
    for (int i = 1; i <= 40; ++i) text += fmt::format("a{0}: &a{0} [*a{1}, *a{1}]\n", i, i - 1);
    return text;
}

std::vector<std::string> linesOfManyProblems() {
    std::vector<std::string> lines;
    lines.reserve(1000);
    for (int i = 0; i < 999; ++i)
        lines.push_back(fmt::format("{}:1: a document must be a map, not text", 2 * i + 1));
    lines.emplace_back("1999:1: too many problems: the rest of the file was not read");
    return lines;
}

// yaml-cpp takes each bracket of a flow for a map and a list.
const std::vector<Case> kBounds{
    {"LargestFile", "#" + std::string((std::size_t{1} << 20) - 1, 'x'), {}},
    {"TooLargeFile",
     "#" + std::string(std::size_t{1} << 20, 'x'),
     {"1:1: the file is larger than 1 MiB"}},
    {"Deep", "x: " + repeated("[", 32), {"1:20: the document is nested too deeply"}},
    {"VeryDeep", repeated("[", 500'000), {"1:17: the document is nested too deeply"}},
    {"DeepBlocks", repeated("- ", 500'000), {"1:65: the document is nested too deeply"}},
    {"ManyNodes", "[" + repeated("a,", 60'000) + "]", {"1:100000: the document is too large"}},
    {"BillionLaughs", laughs(), {"14:6: the document is too large"}},
    {"ManyProblems", repeated("x\n---\n", 2'000), linesOfManyProblems()},
};
INSTANTIATE_TEST_SUITE_P(Bounds, ConfigYaml, testing::ValuesIn(kBounds), caseName);

// Nothing quadratic: a mebibyte of any one thing is read within seconds even on a slow machine.
TEST(ConfigYamlTime, IsBoundedForAMebibyteOfAnything) {
    for (const std::string piece : {"[",
                                    "{",
                                    "- ",
                                    "? ",
                                    ": ",
                                    "\"",
                                    "'",
                                    "&a ",
                                    "*a ",
                                    "!a ",
                                    "a: ",
                                    "a: |\n",
                                    "---\n",
                                    "%x\n",
                                    "#\n",
                                    "\n",
                                    " ",
                                    "\t",
                                    "a\n",
                                    "{a: ",
                                    "[a, ",
                                    "- - a\n",
                                    "kind: VolumeConfig\n---\n",
                                    "\\",
                                    "|\n",
                                    "<<: {}\n"}) {
        // Of this process: others may keep the machine busy.
        const std::clock_t start = std::clock();
        parseText(repeated(piece, (std::size_t{1} << 20) / piece.size()));
        EXPECT_LT((std::clock() - start) / CLOCKS_PER_SEC, 20) << piece;
    }
}

}  // namespace
}  // namespace volumecrypt::config::test
