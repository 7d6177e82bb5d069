// SPDX-License-Identifier: Apache-2.0
// The rules of the `encryption` block and of each kind of key.
#include <algorithm>

#include "config_case.h"
#include "model/key_kind.h"

namespace volumecrypt::config::test {
namespace {

class ConfigEncryption : public testing::TestWithParam<Case> {};

TEST_P(ConfigEncryption, Problems) {
    expectProblems(GetParam());
}

// Keys from line 6 on, each beginning at column 7.
std::string keys(const std::vector<std::string> &items) {
    std::string text = userVolume("encryption:\n  keys:\n");
    for (const std::string &item : items) text += "    - " + item + "\n";
    return text;
}

std::string block(const std::string &fields) {
    return userVolume("encryption:\n  keys: [{nodeID: {}}]\n" + fields);
}

std::string tpmKeys(unsigned count) {
    std::vector<std::string> items;
    for (unsigned slot = 0; slot < count; ++slot)
        items.push_back("{slot: " + std::to_string(slot) + ", tpm: {}}");
    return keys(items);
}

const std::vector<Case> kProviders{
    {"KeysMeanLuks2", keys({"{nodeID: {}}"}), {}},
    {"Luks2", block("  provider: luks2\n"), {}},
    {"InAnyCase", block("  provider: LUKS2\n"), {}},
    {"Unknown",
     block("  provider: luks1\n"),
     {"6:13: luks1 does not belong to EncryptionProviderType values"}},
    {"NoneWithKeys", block("  provider: none\n"), {"6:13: unsupported encryption provider: none"}},
    {"None", userVolume("encryption: {provider: none}\n"), {}},
    {"NoneWithoutKeysButWithACipher",
     userVolume("encryption: {provider: none, cipher: aes-xts-plain64}\n"),
     {}},
    {"NoKeys",
     userVolume("encryption: {provider: luks2}\n"),
     {"4:13: encryption keys are required"}},
    {"EmptyKeys",
     userVolume("encryption: {provider: luks2, keys: []}\n"),
     {"4:37: encryption keys are required"}},
    {"EmptyKeysWithoutProvider",
     userVolume("encryption: {keys: []}\n"),
     {"4:20: encryption keys are required"}},
    {"OnlyACipher",
     userVolume("encryption: {cipher: aes-xts-plain64}\n"),
     {"4:13: encryption keys are required"}},
    {"EmptyBlock",
     userVolume("encryption: {}\n"),
     {"warning 4:13: encryption is empty: the volume is not encrypted"}},
    {"KeysOfWrongType",
     userVolume("encryption: {keys: {slot: 0}}\n"),
     {"4:20: encryption.keys must be a list, not a map"}},
    {"KeyOfWrongType",
     keys({"nodeID", "[]", "~"}),
     {"6:7: encryption.keys[0] must be a map, not text",
      "7:7: encryption.keys[1] must be a map, not a list",
      "8:7: encryption.keys[2] must be a map, not nothing"}},
};
INSTANTIATE_TEST_SUITE_P(Providers, ConfigEncryption, testing::ValuesIn(kProviders), caseName);

const std::vector<Case> kParameters{
    {"Ciphers",
     block("  cipher: xchacha12,aes-adiantum-plain64\n  keySize: 256\n  blockSize: 4096\n"),
     {}},
    {"Zeroes", block("  cipher: \"\"\n  keySize: 0\n  blockSize: 0\n"), {}},
    {"UnknownCipher",
     block("  cipher: aes-cbc-essiv:sha256\n"),
     {"6:11: unknown cipher kind aes-cbc-essiv:sha256"}},
    {"NullCipher",
     block("  cipher: cipher_null-ecb\n"),
     {"6:11: unknown cipher kind cipher_null-ecb"}},
    {"KeySizeOfAes",
     block("  keySize: 384\n"),
     {"6:12: encryption.keySize must be 256 or 512 bits for aes-xts-plain64, not 384"}},
    {"KeySizeOfAdiantum",
     block("  cipher: xchacha20,aes-adiantum-plain64\n  keySize: 512\n"),
     {"7:12: encryption.keySize must be 256 bits for xchacha20,aes-adiantum-plain64, not 512"}},
    {"NegativeKeySize",
     block("  keySize: -512\n"),
     {"6:12: encryption.keySize must be 256 or 512 bits for aes-xts-plain64, not -512"}},
    {"KeySizeAsText",
     block("  keySize: \"512\"\n"),
     {"6:12: encryption.keySize must be a whole number, not \"512\""}},
    {"KeySizeWithUnit",
     block("  keySize: 512bit\n"),
     {"6:12: encryption.keySize must be a whole number, not \"512bit\""}},
    {"KeySizeBeyondNumbers",
     block("  keySize: 99999999999999999999\n"),
     {"6:12: encryption.keySize must be a whole number, not \"99999999999999999999\""}},
    {"BlockSize",
     block("  blockSize: 8192\n"),
     {"6:14: encryption.blockSize must be 512, 1024, 2048 or 4096 bytes, not 8192"}},
    {"Options", block("  options: [no_read_workqueue, no_write_workqueue, same_cpu_crypt]\n"), {}},
    {"UnknownOption",
     block("  options: [no_read_workqueue, fast]\n"),
     {"6:32: invalid perf option fast"}},
    {"OptionsOfWrongType",
     block("  options: same_cpu_crypt\n"),
     {"6:12: encryption.options must be a list, not text"}},
    {"OptionOfWrongType",
     block("  options: [{}]\n"),
     {"6:13: encryption.options[0] must be text, not a map"}},
    {"AllowDiscards", block("  allowDiscards: true\n"), {}},
    {"AllowDiscardsOfWrongType",
     block("  allowDiscards: maybe\n"),
     {"6:18: encryption.allowDiscards must be true or false, not \"maybe\""}},
    {"UnmanagedSlots", block("  unmanagedSlots: remove\n"), {}},
    {"TpmReseal", block("  tpmReseal: manual\n"), {}},
    {"UnknownTpmReseal",
     block("  tpmReseal: never\n"),
     {"6:14: encryption.tpmReseal must be auto or manual, not \"never\""}},
    {"UnknownUnmanagedSlots",
     block("  unmanagedSlots: delete\n"),
     {"6:19: encryption.unmanagedSlots must be keep or remove, not \"delete\""}},
    {"UnknownField",
     block("  keysize: 512\n"),
     {"6:3: unknown field \"keysize\" of encryption; did you mean \"keySize\"?"}},
};
INSTANTIATE_TEST_SUITE_P(Parameters, ConfigEncryption, testing::ValuesIn(kParameters), caseName);

const std::vector<Case> kSlots{
    {"FirstAndLast", keys({"{slot: 0, nodeID: {}}", "{slot: 31, nodeID: {}}"}), {}},
    {"Beyond", keys({"{slot: 32, nodeID: {}}"}), {"6:14: slot 32 is out of range (0-31)"}},
    {"Negative", keys({"{slot: -1, nodeID: {}}"}), {"6:14: slot -1 is out of range (0-31)"}},
    {"Hexadecimal", keys({"{slot: 0x1F, nodeID: {}}"}), {}},
    {"HexadecimalWithZeros", keys({"{slot: 0x010, nodeID: {}}"}), {}},
    {"Octal", keys({"{slot: 0o10, nodeID: {}}"}), {}},
    {"OctalByALeadingZero",
     keys({"{slot: 010, nodeID: {}}", "{slot: 8, tpm: {}}"}),
     {"warning 6:14: encryption.keys[0].slot is octal for its leading zero: 8",
      "7:14: duplicate key slot 8"}},
    {"NoOctal",
     keys({"{slot: 09, nodeID: {}}"}),
     {"6:14: encryption.keys[0].slot must be a whole number, not text"}},
    {"OfWrongType",
     keys({"{slot: one, nodeID: {}}"}),
     {"6:14: encryption.keys[0].slot must be a whole number, not text"}},
    {"Doubled",
     keys({"{slot: 3, nodeID: {}}", "{slot: 3, tpm: {}}"}),
     {"7:14: duplicate key slot 3"}},
    {"DoubledByDefault", keys({"{nodeID: {}}", "{tpm: {}}"}), {"7:7: duplicate key slot 0"}},
    {"AWrongSlotIsNotSlotZero",
     keys({"{slot: one, nodeID: {}}", "{slot: 0, nodeID: {}}"}),
     {"6:14: encryption.keys[0].slot must be a whole number, not text"}},
    // Talos' own test: its order and its texts.
    {"KindlessAndDoubled",
     keys({"{slot: 0}", "{slot: 1, nodeID: {}}", "{slot: 1, tpm: {}}"}),
     {"6:7: at least one encryption key type must be specified for slot 0",
      "8:14: duplicate key slot 1"}},
    {"NullKind",
     keys({"{slot: 2, nodeID: }"}),
     {"6:7: at least one encryption key type must be specified for slot 2"}},
    {"SeveralKinds",
     keys({"{slot: 4, static: {passphrase: x}, nodeID: {}, kms: {endpoint: a}}"}),
     {"6:7: slot 4: static, nodeID and kms are given in one key; give each a slot of its own",
      "warning 6:70: encryption.keys[0].kms.endpoint has no scheme and is taken for grpc://, "
      "which is not encrypted"}},
    {"UnknownKind",
     keys({"{slot: 0, tmp: {}}"}),
     {"6:7: at least one encryption key type must be specified for slot 0",
      "6:17: unknown field \"tmp\" of encryption.keys[0]; did you mean \"tpm\"?"}},
    {"MostSealedKeys", tpmKeys(31), {}},
    {"TooManySealedKeys",
     tpmKeys(32),
     {"6:5: 32 kms and tpm keys are declared; a header takes 31"}},
    {"OnlyUnmanaged",
     keys({"{slot: 4, unmanaged: {}}"}),
     {"6:5: encryption.keys are all unmanaged: nothing could unlock the volume"}},
    {"Unmanaged", keys({"{slot: 4, unmanaged: {}}", "{slot: 0, nodeID: {}}"}), {}},
    {"UnmanagedWithFields",
     keys({"{slot: 4, unmanaged: {note: x}}", "{slot: 0, nodeID: {}}"}),
     {"6:29: unknown field of encryption.keys[0].unmanaged"}},
    {"NodeIdOfWrongType",
     keys({"{nodeID: true}"}),
     {"6:16: encryption.keys[0].nodeID must be a map, not text"}},
    {"NodeIdWithFields",
     keys({"{nodeID: {uuid: x}}"}),
     {"6:17: unknown field of encryption.keys[0].nodeID"}},
};
INSTANTIATE_TEST_SUITE_P(Slots, ConfigEncryption, testing::ValuesIn(kSlots), caseName);

const std::vector<Case> kStatic{
    {"Passphrase", keys({"{static: {passphrase: x}}"}), {}},
    {"NumberAsPassphrase", keys({"{static: {passphrase: 1234}}"}), {}},
    {"PassphraseFile", keys({"{static: {passphraseFile: /etc/volumecrypt/keys/data}}"}), {}},
    {"Empty",
     keys({"{slot: 7, static: {passphrase: \"\"}}"}),
     {"6:38: slot 7: the passphrase is empty"}},
    {"Neither",
     keys({"{slot: 7, static: {}}"}),
     {"6:25: slot 7: static key must have key data defined"}},
    {"NullPassphrase",
     keys({"{slot: 7, static: {passphrase: }}"}),
     {"6:25: slot 7: static key must have key data defined"}},
    {"Both",
     keys({"{static: {passphrase: x, passphraseFile: /a}}"}),
     {"6:48: slot 0: passphrase and passphraseFile are both given"}},
    {"RelativeFile",
     keys({"{static: {passphraseFile: keys/data}}"}),
     {"6:33: encryption.keys[0].static.passphraseFile must be an absolute path"}},
    // What might be a secret in the wrong place is not shown.
    {"PassphraseAsAList",
     keys({"{static: {passphrase: [hunter2]}}"}),
     {"6:29: encryption.keys[0].static.passphrase must be text, not a list"}},
    {"StaticAsText",
     keys({"{static: hunter2}"}),
     {"6:16: encryption.keys[0].static must be a map, not text"}},
    {"ForgottenColon",
     keys({"{static: {passphrase hunter2}}"}),
     {"6:16: slot 0: static key must have key data defined",
      "6:17: unknown field of encryption.keys[0].static"}},
    {"CloseToAKnownField",
     keys({"{static: {passphrase: x, passPhraseFile: /a}}"}),
     {"6:32: unknown field \"passPhraseFile\" of encryption.keys[0].static; did you mean "
      "\"passphraseFile\"?"}},
    {"BinaryTag",
     keys({"{static: {passphrase: !!binary aHVudGVyMg==}}"}),
     {"6:29: encryption.keys[0].static.passphrase is tagged !!binary, which is not decoded: write "
      "the text itself, in quotation marks"}},
    {"OtherTag",
     keys({"{static: {passphrase: !hunter2}}"}),
     {"6:29: encryption.keys[0].static.passphrase has a tag: put a text that begins with \"!\" in "
      "quotation marks"}},
};
INSTANTIATE_TEST_SUITE_P(Static, ConfigEncryption, testing::ValuesIn(kStatic), caseName);

const std::vector<Case> kTpm{
    {"Plain", keys({"{tpm: {}}"}), {}},
    {"AllOptions",
     keys({"{tpm: {options: {pcrs: [7, 0]}, checkSecurebootStatusOnEnroll: true, "
           "signedPolicy: {publicKey: /etc/keys/pcr.pem, pcrs: [11]}}, lockToState: false}"}),
     {}},
    // Talos' own test: each PCR its own problem.
    {"PcrOutOfRange",
     keys({"{tpm: {options: {pcrs: [24, 7, 25, -1]}}}"}),
     {"6:31: TPM PCR 24 is out of range (0-23)", "6:38: TPM PCR 25 is out of range (0-23)",
      "6:42: TPM PCR -1 is out of range (0-23)"}},
    {"PcrOfWrongType",
     keys({"{tpm: {options: {pcrs: [seven]}}}"}),
     {"6:31: encryption.keys[0].tpm.options.pcrs[0] must be a whole number, not text"}},
    {"PcrsOfWrongType",
     keys({"{tpm: {options: {pcrs: 7}}}"}),
     {"6:30: encryption.keys[0].tpm.options.pcrs must be a list, not text"}},
    {"NoPcr",
     keys({"{slot: 5, tpm: {options: {pcrs: []}}}"}),
     {"warning 6:22: slot 5: the key is bound to no PCR: this machine unlocks the volume whatever "
      "it has booted"}},
    {"NoPcrButSigned", keys({"{tpm: {options: {pcrs: []}, signedPolicy: {}}}"}), {}},
    {"SignedPolicyWithoutPcr",
     keys({"{tpm: {signedPolicy: {pcrs: []}}}"}),
     {"6:35: encryption.keys[0].tpm.signedPolicy.pcrs must name a PCR"}},
    {"SignedPolicyPcrOutOfRange",
     keys({"{tpm: {signedPolicy: {pcrs: [24]}}}"}),
     {"6:36: TPM PCR 24 is out of range (0-23)"}},
    {"UnknownFields",
     keys({"{tpm: {pcrs: [7], options: {pcr: [7]}}}"}),
     {"6:14: unknown field \"pcrs\" of encryption.keys[0].tpm",
      "6:35: unknown field \"pcr\" of encryption.keys[0].tpm.options; did you mean \"pcrs\"?"}},
};
INSTANTIATE_TEST_SUITE_P(Tpm, ConfigEncryption, testing::ValuesIn(kTpm), caseName);

// The endpoint begins at 6:24.
std::string kms(const std::string &endpoint) {
    return keys({"{kms: {endpoint: \"" + endpoint + "\"}}"});
}
const std::string kEndpoint = "6:24: encryption.keys[0].kms.endpoint ";

const std::vector<Case> kKms{
    {"Grpcs", kms("grpcs://kms.example.org:4050"), {}},
    {"Grpc", kms("grpc://10.0.0.1:4050"), {}},
    {"HttpsWithoutPort", kms("https://192.168.88.21"), {}},
    {"PathIsIgnored", kms("https://kms:4443/path?x"), {}},
    {"Ipv6", kms("grpcs://[fd00::1]:4050"), {}},
    {"Ipv6WithZone", kms("grpcs://[fe80::1%eth0]:4050"), {}},
    {"Ipv6WithZoneOfAUrl", kms("grpcs://[fe80::1%25enp0s31f6.100]:4050"), {}},
    {"Ipv6WithEmptyZone",
     kms("grpcs://[fe80::1%]:4050"),
     {kEndpoint + "has no valid IPv6 address in its brackets"}},
    {"Ipv6WithOddZone",
     kms("grpcs://[fe80::1%e/h]:4050"),
     {kEndpoint + "has no valid IPv6 address in its brackets"}},
    {"Ipv6WithPortAndNoBrackets",
     kms("grpcs://2001:db8::1:4050"),
     {kEndpoint + "needs brackets around its IPv6 address"}},
    {"FullIpv6WithPortAndNoBrackets",
     kms("grpcs://2001:db8:0:0:0:0:0:1:4050"),
     {kEndpoint + "needs brackets around its IPv6 address"}},
    {"Ipv6WithZoneAndNoBrackets",
     kms("grpcs://fe80::1%eth0"),
     {kEndpoint + "needs brackets around its IPv6 address"}},
    {"Ipv6WithZoneAndPortAndNoBrackets",
     kms("fe80::1%eth0:4050"),
     {kEndpoint + "needs brackets around its IPv6 address"}},
    {"TwoPorts",
     kms("grpcs://kms:4050:1"),
     {kEndpoint + "needs a port from 1 to 65535 after the host"}},
    {"WithoutScheme",
     kms("kms:4050"),
     {"warning " + kEndpoint + "has no scheme and is taken for grpc://, which is not encrypted"}},
    {"Certificates",
     keys({"{kms: {endpoint: \"grpcs://kms:4050\", caFile: /etc/ca.pem, clientCertFile: "
           "/etc/c.pem, clientKeyFile: /etc/k.pem}}"}),
     {}},
    {"BlankCertificates",
     keys({"{kms: {endpoint: \"grpcs://kms:4050\", caFile: , clientCertFile: , clientKeyFile: }}"}),
     {}},
    {"NoEndpoint", keys({"{kms: {}}"}), {"6:13: encryption.keys[0].kms.endpoint is required"}},
    {"EmptyEndpoint", kms(""), {kEndpoint + "must not be empty"}},
    {"UnknownScheme", kms("ftp://kms"), {kEndpoint + "has an unknown scheme: use grpcs or grpc"}},
    {"NoHost", kms("grpcs://:4050"), {kEndpoint + "names no host"}},
    {"NothingAfterTheScheme", kms("grpcs://"), {kEndpoint + "names no host"}},
    {"HostWithSpace",
     kms("grpcs://k ms"),
     {kEndpoint + "must not hold white space or control characters"}},
    {"HostWithStrangeCharacter", kms("grpcs://k$ms"), {kEndpoint + "has no valid host name"}},
    {"PortZero", kms("grpcs://kms:0"), {kEndpoint + "needs a port from 1 to 65535 after the host"}},
    {"PortTooLarge",
     kms("grpcs://kms:65536"),
     {kEndpoint + "needs a port from 1 to 65535 after the host"}},
    {"PortEmpty", kms("grpcs://kms:"), {kEndpoint + "needs a port from 1 to 65535 after the host"}},
    {"PortNoNumber",
     kms("grpcs://kms:4050x"),
     {kEndpoint + "needs a port from 1 to 65535 after the host"}},
    {"Ipv6WithoutBrackets",
     kms("grpcs://fd00::1"),
     {kEndpoint + "needs brackets around its IPv6 address"}},
    {"Ipv6Wrong",
     kms("grpcs://[fd00::g]:1"),
     {kEndpoint + "has no valid IPv6 address in its brackets"}},
    {"Ipv6Unclosed",
     kms("grpcs://[fd00::1"),
     {kEndpoint + "has no valid IPv6 address in its brackets"}},
    {"Password", kms("grpcs://user:hunter2@kms"), {kEndpoint + "must not hold a user or password"}},
    {"CertificatesWithoutTls",
     keys({"{kms: {endpoint: \"grpc://kms:4050\", caFile: /etc/ca.pem}}"}),
     {kEndpoint + "is not encrypted, but certificates are given: use grpcs://"}},
    {"HalfAClientCertificate",
     keys({"{kms: {endpoint: \"grpcs://kms:4050\", clientCertFile: /etc/c.pem}}"}),
     {"6:13: encryption.keys[0].kms.clientCertFile and clientKeyFile need each other"}},
    {"RelativeCertificate",
     keys({"{kms: {endpoint: \"grpcs://kms:4050\", caFile: ca.pem}}"}),
     {"6:52: encryption.keys[0].kms.caFile must be an absolute path"}},
};
INSTANTIATE_TEST_SUITE_P(Kms, ConfigEncryption, testing::ValuesIn(kKms), caseName);

const std::string kLockedTwice =
    "encryption:\n  keys:\n    - {slot: 0, nodeID: {}, lockToState: true}\n"
    "    - {slot: 1, tpm: {}, lockToSTATE: true}\n";

const std::vector<Case> kLocks{
    {"BothSpellings", systemVolume("STATE", "---\n" + systemVolume("EPHEMERAL", kLockedTwice)), {}},
    {"BothInOneKey",
     systemVolume("STATE", "---\n" + systemVolume("EPHEMERAL",
                                                  "encryption:\n  keys:\n    - {nodeID: {}, "
                                                  "lockToState: true, lockToSTATE: true}\n")),
     {"10:52: slot 0: lockToState and lockToSTATE are one field; give it once"}},
    {"OnState",
     systemVolume("STATE", kLockedTwice),
     {"6:42: state-locked key is not allowed for the \"STATE\" volume",
      "7:39: state-locked key is not allowed for the \"STATE\" volume"}},
    {"FalseOnState",
     systemVolume("STATE", "encryption: {keys: [{nodeID: {}, lockToState: false}]}\n"),
     {}},
    {"OnUnmanaged",
     systemVolume("STATE",
                  "---\n" + systemVolume("EPHEMERAL",
                                         "encryption:\n  keys:\n    - {nodeID: {}}\n    - {slot: "
                                         "1, unmanaged: {}, lockToState: true}\n")),
     {"11:45: slot 1: an unmanaged key cannot be locked to STATE"}},
    {"OfWrongType",
     keys({"{nodeID: {}, lockToState: STATE}"}),
     {"6:33: encryption.keys[0].lockToState must be true or false, not text"}},
    {"QuotedTrueIsNoFlag",
     keys({"{nodeID: {}, lockToState: \"true\"}"}),
     {"6:33: encryption.keys[0].lockToState must be true or false, not text"}},
    {"Misspelt",
     keys({"{nodeID: {}, lockToSate: true}"}),
     {"6:20: unknown field \"lockToSate\" of encryption.keys[0]; did you mean \"lockToState\"?"}},
};
INSTANTIATE_TEST_SUITE_P(Locks, ConfigEncryption, testing::ValuesIn(kLocks), caseName);

TEST(ConfigEncryptionSecrets, NoMessageShowsAPassphrase) {
    for (const char *key :
         {"{static: hunter2}", "{static: [hunter2]}", "{static: {passphrase hunter2}}",
          "{static: {passphrase:hunter2}}", "{static: {hunter2: }}",
          "{static: {passphrase: *hunter2}}", "{static: {passphrase: \"hunter2\\q\"}}",
          "{static: {passphrase: hunter2, passphrase: hunter2}}",
          "{static: {passphrase: !hunter2 x}}", "{static: {hunter2: x, hunter2: x}}"}) {
        const Configuration result = parseText(keys({key}));
        EXPECT_TRUE(result.hasErrors()) << key;
        for (const Problem &problem : result.problems)
            EXPECT_EQ(problem.text().find("hunter2"), std::string::npos) << problem.text();
    }
}

// Whether `name` is refused in a map that is nested so deep in a key.
bool isUnknown(const std::string &before, std::string_view name, const std::string &after) {
    const std::string wanted = "unknown field \"" + std::string(name) + "\"";
    const auto lines =
        problemLines(parseText(keys({"{" + before + std::string(name) + ": x" + after + "}"})));
    return std::any_of(lines.begin(), lines.end(), [&wanted](const std::string &line) {
        return line.find(wanted) != std::string::npos;
    });
}

// The table of kinds says what may be repeated in messages, wherever it stands.
TEST(ConfigKeyKinds, EachReadsTheFieldsOfItsRow) {
    for (const model::KeyKindRow &row : model::kKeyKinds) {
        if (!row.declarable) continue;
        const std::string map = std::string(row.name) + ": {";
        EXPECT_TRUE(isUnknown(map, "slot", "}")) << row.name << " takes any field";
        for (const std::string_view field : row.fields) {
            bool known = !isUnknown(map, field, "}");
            for (const std::string_view outer : row.fields) {
                const std::string nested = map + std::string(outer) + ": {";
                known =
                    known || (isUnknown(nested, "slot", "}}") && !isUnknown(nested, field, "}}"));
            }
            EXPECT_TRUE(known) << row.name << " does not read " << field;
        }
    }
}

}  // namespace
}  // namespace volumecrypt::config::test
