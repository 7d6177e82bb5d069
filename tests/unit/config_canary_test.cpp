// SPDX-License-Identifier: Apache-2.0
// A passphrase may slip into any field of a key. Problems end in the journal and in a property that
// every user may read: nothing of the keys is ever repeated in one.
#include <array>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "config/text.h"
#include "config_case.h"

namespace volumecrypt::config::test {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr std::string_view kCanary = "hunter2zq";
constexpr std::string_view kPin = "83749927";

// Every field of every kind of key, an unknown one in each map, the list and an entry of it.
const std::vector<std::string> kKeyFields{"",
                                          "keys",
                                          "keys.-",
                                          "keys.-.slot",
                                          "keys.-.lockToState",
                                          "keys.-.lockToSTATE",
                                          "keys.-.static",
                                          "keys.-.static.passphrase",
                                          "keys.-.static.passphrase ",
                                          "keys.-.static.passphraseFile",
                                          "keys.-.nodeID",
                                          "keys.-.kms",
                                          "keys.-.kms.endpoint",
                                          "keys.-.kms.caFile",
                                          "keys.-.kms.clientCertFile",
                                          "keys.-.kms.clientKeyFile",
                                          "keys.-.tpm",
                                          "keys.-.tpm.tcti",
                                          "keys.-.tpm.options",
                                          "keys.-.tpm.options.pcrs",
                                          "keys.-.tpm.options.pcrs.-",
                                          "keys.-.tpm.signedPolicy",
                                          "keys.-.tpm.signedPolicy.publicKey",
                                          "keys.-.tpm.signedPolicy.pcrs",
                                          "keys.-.tpm.checkSecurebootStatusOnEnroll",
                                          "keys.-.unmanaged",
                                          "keys.-.passphrase",
                                          "keys.-.CANARY",
                                          "keys.-.static.CANARY",
                                          "keys.-.nodeID.CANARY",
                                          "keys.-.kms.CANARY",
                                          "keys.-.tpm.CANARY",
                                          "keys.-.tpm.options.CANARY",
                                          "keys.-.tpm.signedPolicy.CANARY",
                                          "keys.-.unmanaged.CANARY",
                                          "passphrase",
                                          "CANARY"};

// The value in right and wrong types, and what is no YAML at all.
const std::vector<std::string> kSlips{"CANARY",
                                      "'CANARY'",
                                      "CANARY # CANARY",
                                      "CANARY CANARY",
                                      "/CANARY/../x",
                                      "'/CANARY '",
                                      "/CANARY/",
                                      "\"CANARY\\a\"",
                                      "[CANARY]",
                                      "[[CANARY], {CANARY: CANARY}]",
                                      "{CANARY: CANARY}",
                                      "{CANARY: CANARY, CANARY: CANARY}",
                                      "{CANARY}",
                                      "{passphrase CANARY}",
                                      "{passphrase:CANARY}",
                                      "{? [CANARY] : x}",
                                      "{<<: CANARY}",
                                      "&CANARY",
                                      "&CANARY x",
                                      "*CANARY",
                                      "*CANARY x",
                                      "!CANARY",
                                      "!CANARY x",
                                      "!!CANARY x",
                                      "!CANARY!x y",
                                      "!<CANARY> x",
                                      "!!binary CANARY",
                                      "!!int CANARY",
                                      "|CANARY",
                                      "> CANARY",
                                      "'CANARY",
                                      "\"CANARY",
                                      "\"CANARY\\q\"",
                                      "\"CANARY\\xZZ\"",
                                      "CANARY: CANARY",
                                      "CANARY\n            CANARY: x",
                                      "{CANARY",
                                      "[CANARY",
                                      "[CANARY}",
                                      "%CANARY",
                                      "@CANARY",
                                      "`CANARY",
                                      "- CANARY",
                                      "? CANARY",
                                      "\t- CANARY",
                                      "CANARY\xff",
                                      "CANARY\r",
                                      "CANARY\x07",
                                      "PIN",
                                      "-PIN",
                                      "'PIN'",
                                      "PIN.5",
                                      "[PIN]",
                                      "{PIN: PIN}",
                                      "CANARY://host",
                                      "grpcs://user:CANARY@host:1",
                                      "grpcs://CANARY$:1",
                                      "grpcs://h:CANARY",
                                      "grpcs://[CANARY]",
                                      "grpcs://CANARY..x"};

std::string withReplaced(std::string text, std::string_view what, std::string_view with) {
    for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at))
        text.replace(at, what.size(), with);
    return text;
}

// "keys.-.slot" as blocks, each below the one before.
std::string asBlocks(std::string_view path, const std::string &value) {
    std::string text;
    std::string indentation = "  ";
    bool item = false;
    while (!path.empty()) {
        const std::string_view name = path.substr(0, path.find('.'));
        path.remove_prefix(std::min(path.size(), name.size() + 1));
        text += item ? " " : "\n" + indentation;
        item = name == "-";
        text += item ? "-" : std::string(name) + ":";
        indentation += "  ";
    }
    return text + " " + value + "\n";
}

std::vector<std::string> slippedDocuments(const std::string &field, const std::string &value) {
    std::vector<std::string> result;
    for (const std::string_view kind :
         {"VolumeConfig", "UserVolumeConfig", "RawVolumeConfig", "SwapVolumeConfig"}) {
        const std::string text =
            fmt::format("apiVersion: v1alpha1\nkind: {}\nname: {}\nencryption:{}", kind,
                        kind == "VolumeConfig" ? "EPHEMERAL" : "data", asBlocks(field, value));
        result.push_back(withReplaced(withReplaced(text, "CANARY", kCanary), "PIN", kPin));
    }
    return result;
}

void expectSilence(const std::string &yaml) {
    for (const Secrets secrets : {Secrets::Keep, Secrets::Drop})
        for (const Problem &problem : parseText(yaml, secrets).problems) {
            const std::string told = lowerCase(problem.text() + problem.volume);
            EXPECT_THAT(told, Not(HasSubstr(kCanary))) << yaml;
            EXPECT_THAT(told, Not(HasSubstr(kPin))) << yaml;
        }
}

TEST(ConfigCanary, NothingOfTheKeysIsRepeated) {
    std::size_t problems = 0;
    for (const std::string &field : kKeyFields)
        for (const std::string &value : kSlips)
            for (const std::string &yaml : slippedDocuments(field, value)) {
                expectSilence(yaml);
                problems += parseText(yaml).problems.size();
            }
    // Nearly all of them are wrong: an empty list of problems would be silent as well.
    EXPECT_GT(problems, kKeyFields.size() * kSlips.size() * 4);
}

TEST(ConfigCanary, SeveralKeysAndDoubledFields) {
    for (const std::string line :
         {"{slot: 1, static: {passphrase: C, passphrase: C}}", "{slot: C, slot: C, static: C}",
          "{slot: 1, static: {passphrase: C, passphraseFile: C}, nodeID: {C: C}}",
          "{slot: 83749927, static: {passphrase: C}}", "{C: C, C: C}",
          "{slot: 1, static: {passphrase:C: x, passphrase:C: x}}"})
        expectSilence(userVolume("encryption:\n  keys:\n    - " + withReplaced(line, "C", kCanary) +
                                 "\n    - " + withReplaced(line, "C", kCanary) + "\n"));
}

// An alias makes the passphrase a value of another field.
TEST(ConfigCanary, APassphraseUnderAnotherName) {
    const std::string key = "{static: {passphrase: &p hunter2zq}}";
    for (const std::string field :
         {"volume: {device: *p}", "mount: {where: *p}", "mount: {options: [*p]}", "*p : x",
          "mount: {*p : x}", "mount: {required: *p}", "filesystem: {type: *p}",
          "filesystem: {label: *p, type: xfs}", "encryption: {cipher: *p}", "kind: *p", "name: *p"})
        expectSilence("x: " + key + "\napiVersion: v1alpha1\nkind: UserVolumeConfig\nname: data\n" +
                      field + "\n");
    for (const std::string anchor : {"&p hunter2zq: x", "volumeType: &p hunter2zq"})
        expectSilence(userVolume(anchor + "\nencryption: {keys: [{static: {passphrase: *p}}]}\n"));
}

}  // namespace
}  // namespace volumecrypt::config::test
