// SPDX-License-Identifier: Apache-2.0
// Which TPM interfaces a document may name.
#include "config_case.h"

namespace volumecrypt::config::test {
namespace {

class ConfigInterface : public testing::TestWithParam<Case> {};

TEST_P(ConfigInterface, Problems) {
    expectProblems(GetParam());
}

// From line 6 on, each beginning at column 7.
std::string interfaces(const std::vector<std::string> &items) {
    std::string text = userVolume("encryption:\n  keys:\n");
    for (const std::string &item : items) text += "    - " + item + "\n";
    return text;
}

const std::vector<Case> kInterfaces{
    {"Interfaces",
     interfaces({"{slot: 0, tpm: {tcti: \"device:/dev/tpmrm1\"}}", "{slot: 1, tpm: {tcti: swtpm}}",
                 "{slot: 2, tpm: {tcti: \"mssim:host=h,port=2321\"}}",
                 "{slot: 3, tpm: {tcti: \"tabrmd:bus_type=session\"}}",
                 "{slot: 4, tpm: {tcti: \"\"}}"}),
     {}},
    {"InterfaceThatIsAProgram",
     interfaces({"{tpm: {tcti: \"cmd:touch /ran\"}}"}),
     {"6:20: encryption.keys[0].tpm.tcti may not start a command: that is only for the engine's "
      "option --tcti"}},
    {"InterfaceThatIsALibrary",
     interfaces({"{slot: 0, tpm: {tcti: \"/tmp/evil.so\"}}", "{slot: 1, tpm: {tcti: \"evil:x\"}}",
                 "{slot: 2, tpm: {tcti: \"pcap:cmd:x\"}}", "{slot: 3, tpm: {tcti: DEVICE}}",
                 "{slot: 4, tpm: {tcti: \"libtss2-tcti-cmd.so:x\"}}"}),
     {"6:29: encryption.keys[0].tpm.tcti must begin with device, swtpm, mssim or tabrmd",
      "7:29: encryption.keys[1].tpm.tcti must begin with device, swtpm, mssim or tabrmd",
      "8:29: encryption.keys[2].tpm.tcti must begin with device, swtpm, mssim or tabrmd",
      "9:29: encryption.keys[3].tpm.tcti must begin with device, swtpm, mssim or tabrmd",
      "10:29: encryption.keys[4].tpm.tcti must begin with device, swtpm, mssim or tabrmd"}},
    {"InterfaceWithBlanks",
     interfaces({"{tpm: {tcti: \"swtpm:path=/a b\"}}"}),
     {"6:20: encryption.keys[0].tpm.tcti must be of printable ASCII characters, without blanks"}},
};
INSTANTIATE_TEST_SUITE_P(Names, ConfigInterface, testing::ValuesIn(kInterfaces), caseName);

}  // namespace
}  // namespace volumecrypt::config::test
