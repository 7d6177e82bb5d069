// SPDX-License-Identifier: Apache-2.0
// Sealing and unsealing with a real TPM 2.0 (swtpm), without a resource manager: nothing may be
// left in it.
#include <chrono>
#include <thread>

#include <gtest/gtest.h>

#include "base/files.h"
#include "base/text.h"
#include "crypto/base64.h"
#include "crypto/digest.h"
#include "support/result_matchers.h"
#include "support/swtpm.h"
#include "tpm/describe.h"
#include "tpm/policy.h"
#include "tpm/policy_key.h"
#include "tpm/sealer.h"
#include "tpm/secure_boot.h"

namespace volumecrypt::test {
namespace {

using base::ErrorCode;
using ::testing::HasSubstr;

// Of a storage root key: what the TCG's guidance says, and without its noDA.
constexpr const char *kGuidance =
    "restricted|decrypt|fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda";
constexpr const char *kCountsTries =
    "restricted|decrypt|fixedtpm|fixedparent|sensitivedataorigin|userwithauth";

class TpmTest : public testing::Test {
  protected:
    void TearDown() override { EXPECT_EQ(tpm_.leftovers(), ""); }

    tpm::Access access() const {
        return {.tcti = tpm_.tcti(), .paths = model::SystemPaths(root_.path())};
    }
    tpm::NewSecret sealed(const tpm::Policy &policy = {.pcrs = {7}, .signer = {}}) {
        auto made = tpm::seal(access(), policy);
        if (!made) throw std::runtime_error(made.error().message);
        return std::move(*made);
    }
    // One wrong password for a key of somebody else, and no more is allowed.
    void lockOut() {
        (void)tpm_.tool({"tpm2_dictionarylockout", "--setup-parameters", "--max-tries=1",
                         "--recovery-time=1000", "--lockout-recovery-time=1000"});
        const std::string key = root_.path() + "/key";
        (void)tpm_.tool({"tpm2_createprimary", "-C", "o", "-G", "ecc", "-p", "right", "-a",
                         "sign|fixedtpm|fixedparent|sensitivedataorigin|userwithauth", "-c", key});
        EXPECT_ANY_THROW(
            (void)tpm_.tool({"tpm2_sign", "-c", key, "-p", "wrong", "-o",
                             root_.path() + "/signature", root_.write("text", "text")}));
        (void)tpm_.tool({"tpm2_flushcontext", "-t"});
    }

    // A storage root key of somebody else's at the shared handle.
    void makeParent(const std::string &attributes, const std::string &password,
                    const std::string &kind = "ecc256:aes128cfb") {
        const std::string parent = root_.path() + "/parent";
        (void)tpm_.tool({"tpm2_createprimary", "-C", "o", "-G", kind, "-a", attributes, "-p",
                         password, "-c", parent});
        (void)tpm_.tool({"tpm2_evictcontrol", "-C", "o", "-c", parent, "0x81000001"});
        (void)tpm_.tool({"tpm2_flushcontext", "-t"});
    }
    // What a token says whose key was sealed under the one that is at the shared handle now.
    tpm::NewSecret sealedUnderParent() {
        const std::string file = root_.path() + "/serialised";
        (void)tpm_.tool({"tpm2_readpublic", "-c", "0x81000001", "-t", file});
        tpm::NewSecret made = [this] {
            Swtpm other;
            auto sealed = tpm::seal({.tcti = other.tcti(), .paths = access().paths},
                                    {.pcrs = {7}, .signer = {}});
            if (!sealed) throw std::runtime_error(sealed.error().message);
            return std::move(*sealed);
        }();
        made.key.srk = *base::readFile(file);
        return made;
    }

    Swtpm tpm_;
    TempDir root_;
};

TEST_F(TpmTest, SealedSecretComesBack) {
    const tpm::NewSecret made = sealed();
    EXPECT_EQ(made.secret.size(), 32U);
    const auto back = tpm::unseal(access(), made.key);
    ASSERT_THAT(back, IsOk());
    EXPECT_TRUE(*back == made.secret);
    EXPECT_FALSE(sealed().secret == made.secret);
}

TEST_F(TpmTest, StorageRootKeyIsTheSharedOne) {
    (void)sealed();
    EXPECT_THAT(tpm_.tool({"tpm2_getcap", "handles-persistent"}), HasSubstr("0x81000001"));
    const std::string area = tpm_.tool({"tpm2_readpublic", "-c", "0x81000001"});
    EXPECT_THAT(area, HasSubstr("noda"));
    EXPECT_THAT(area, HasSubstr("value: ecc"));
    EXPECT_THAT(area, HasSubstr("restricted|decrypt"));
}

TEST_F(TpmTest, StorageRootKeyThatIsThereIsUsed) {
    // An RSA one, as an operating system with other preferences makes it.
    makeParent(kGuidance, "", "rsa2048:aes128cfb");
    const tpm::NewSecret made = sealed();
    EXPECT_EQ(made.key.primaryAlgorithm, "rsa");
    const auto back = tpm::unseal(access(), made.key);
    ASSERT_THAT(back, IsOk());
    EXPECT_TRUE(*back == made.secret);
}

TEST_F(TpmTest, StorageRootKeyIsMadeAgain) {
    const tpm::NewSecret made = sealed();
    (void)tpm_.tool({"tpm2_evictcontrol", "-C", "o", "-c", "0x81000001"});
    const auto back = tpm::unseal(access(), made.key);
    ASSERT_THAT(back, IsOk());
    EXPECT_TRUE(*back == made.secret);
}

TEST_F(TpmTest, SomethingElseAtTheHandle) {
    const std::string context = root_.path() + "/key";
    (void)tpm_.tool({"tpm2_createprimary", "-C", "o", "-G", "ecc", "-a",
                     "sign|fixedtpm|fixedparent|sensitivedataorigin|userwithauth", "-c", context});
    (void)tpm_.tool({"tpm2_evictcontrol", "-C", "o", "-c", context, "0x81000001"});
    (void)tpm_.tool({"tpm2_flushcontext", "-t"});
    EXPECT_THAT(tpm::seal(access(), {.pcrs = {7}, .signer = {}}),
                FailsWith(ErrorCode::TpmUnavailable, HasSubstr("0x81000001")));
}

TEST_F(TpmTest, SurvivesAPowerCycle) {
    const tpm::NewSecret made = sealed();
    tpm_.restart();
    EXPECT_THAT(tpm::unseal(access(), made.key), IsOk());
}

TEST_F(TpmTest, NoPcrs) {
    const tpm::NewSecret made = sealed({.pcrs = {}, .signer = {}});
    EXPECT_EQ(made.key.policyHash, std::string(32, '\0'));
    tpm_.extend(7, "anything");
    EXPECT_THAT(tpm::unseal(access(), made.key), IsOk());
}

TEST_F(TpmTest, ChangedPcrIsNamedAndCostsNoTry) {
    tpm_.extend(0, "firmware");
    const tpm::NewSecret made = sealed({.pcrs = {0, 7}, .signer = {}});
    const std::string before = tpm_.tool({"tpm2_getcap", "properties-variable"});
    tpm_.extend(7, "new data base");
    EXPECT_THAT(tpm::unseal(access(), made.key),
                FailsWith(ErrorCode::PcrMismatch, HasSubstr("PCR 7 changed")));
    EXPECT_EQ(tpm_.tool({"tpm2_getcap", "properties-variable"}), before) << "a try was counted";
    const auto stale = tpm::whyStale(access(), made.key);
    ASSERT_THAT(stale, IsOk());
    EXPECT_EQ(*stale, "PCR 7 changed");
    tpm_.extend(0, "new firmware");
    EXPECT_EQ(tpm::whyStale(access(), made.key).value_or(""), "PCR 0, 7 changed");
    // As it was: the key is good again.
    tpm_.restart();
    tpm_.extend(0, "firmware");
    EXPECT_THAT(tpm::unseal(access(), made.key), IsOk());
    EXPECT_EQ(tpm::whyStale(access(), made.key).value_or("?"), "");
}

TEST_F(TpmTest, ClearedTpmIsForeign) {
    const tpm::NewSecret made = sealed();
    tpm_.clear();
    EXPECT_THAT(tpm::unseal(access(), made.key), FailsWith(ErrorCode::ForeignTpm));
    (void)sealed();  // now it has a storage root key of its own
    EXPECT_THAT(tpm::unseal(access(), made.key), FailsWith(ErrorCode::ForeignTpm));
    EXPECT_THAT(tpm::whyStale(access(), made.key).value_or(""), HasSubstr("another"));
}

TEST_F(TpmTest, LockoutDoesNotMatter) {
    // Keys of ours neither cause a lockout nor suffer from one.
    const tpm::NewSecret made = sealed();
    lockOut();
    const auto state = tpm::describe(access());
    ASSERT_THAT(state, IsOk());
    EXPECT_EQ(state->at("lockout").at("active"), true);
    EXPECT_EQ(state->at("lockout").at("recoverySeconds"), 1000);
    EXPECT_THAT(tpm::unseal(access(), made.key), IsOk());
    EXPECT_THAT(tpm::wouldUnseal(access(), made.key), IsOk());
}

// Where somebody else made the storage root key it may have a password, and then each try without
// would count: a few engines at boot would lock the TPM for everybody.
TEST_F(TpmTest, StorageRootKeyThatCountsTriesIsLeftAlone) {
    const tpm::NewSecret made = sealed();
    (void)tpm_.tool({"tpm2_evictcontrol", "-C", "o", "-c", "0x81000001"});
    makeParent(kCountsTries, "secret");
    for (int tries = 0; tries < 5; ++tries) {
        const auto refused = tpm::seal(access(), {.pcrs = {7}, .signer = {}});
        ASSERT_THAT(refused, FailsWith(ErrorCode::TpmUnavailable, HasSubstr("0x81000001")));
        EXPECT_THAT(refused.error().message, HasSubstr("lockout"));
        EXPECT_FALSE(refused.error().retry);
        EXPECT_THAT(tpm::canSeal(access(), {.pcrs = {7}, .signer = {}}),
                    FailsWith(ErrorCode::TpmUnavailable, HasSubstr("0x81000001")));
        EXPECT_THAT(tpm::unseal(access(), made.key), FailsWith(ErrorCode::ForeignTpm));
    }
    const auto state = tpm::describe(access());
    ASSERT_THAT(state, IsOk());
    EXPECT_EQ(state->at("lockout").at("failures"), 0);
}

// As unseal meets it: the very key that the sealed one names, which counts tries.
TEST_F(TpmTest, UnsealingCountsNoTriesEither) {
    makeParent(kCountsTries, "secret");
    tpm::NewSecret made = sealedUnderParent();
    for (int tries = 0; tries < 5; ++tries) {
        EXPECT_THAT(tpm::unseal(access(), made.key),
                    FailsWith(ErrorCode::TpmUnavailable, HasSubstr("lockout")));
        EXPECT_THAT(tpm::wouldUnseal(access(), made.key), FailsWith(ErrorCode::TpmUnavailable));
    }
    EXPECT_EQ(tpm::whyStale(access(), made.key).value_or("?"), "");
    EXPECT_EQ(tpm::describe(access())->at("lockout").at("failures"), 0);
}

TEST_F(TpmTest, StorageRootKeyWithAPasswordIsSaidToHaveOne) {
    makeParent(kGuidance, "secret");
    const auto refused = tpm::seal(access(), {.pcrs = {7}, .signer = {}});
    ASSERT_THAT(refused, FailsWith(ErrorCode::TpmUnavailable));
    EXPECT_THAT(refused.error().hint, HasSubstr("0x81000001 has a password"));
    const tpm::NewSecret made = sealedUnderParent();
    const auto closed = tpm::unseal(access(), made.key);
    ASSERT_THAT(closed, FailsWith(ErrorCode::TpmUnavailable));
    EXPECT_THAT(closed.error().hint, HasSubstr("0x81000001 has a password"));
    EXPECT_EQ(tpm::describe(access())->at("lockout").at("failures"), 0);
}

TEST_F(TpmTest, Description) {
    auto state = tpm::describe(access());
    ASSERT_THAT(state, IsOk());
    EXPECT_EQ(state->at("storageRoot"), nullptr);
    EXPECT_THAT(state->at("specification").get<std::string>(), HasSubstr("2.0"));
    EXPECT_THAT(state->at("banks").dump(), HasSubstr("\"sha256\""));
    EXPECT_EQ(state->at("pcrs").size(), 24U);
    EXPECT_NE(state->at("pcrs").at("7"), std::string(64, '0'));
    EXPECT_EQ(state->at("lockout").at("active"), false);
    (void)sealed();
    EXPECT_EQ(tpm::describe(access())->at("storageRoot"), "ecc");
    (void)tpm_.tool({"tpm2_pcrallocate", "sha256:none+sha1:all"});
    tpm_.restart();
    state = tpm::describe(access());
    ASSERT_THAT(state, IsOk());
    EXPECT_EQ(state->at("pcrs"), nullptr);
}

TEST_F(TpmTest, NothingMeasured) {
    EXPECT_THAT(
        tpm::seal(access(), {.pcrs = {7, 9}, .signer = {}}),
        FailsWith(ErrorCode::Unsupported, HasSubstr("PCR bank 9 is populated with all zeroes")));
    EXPECT_THAT(
        tpm::seal(access(), {.pcrs = {17}, .signer = {}}),
        FailsWith(ErrorCode::Unsupported, HasSubstr("PCR bank 17 is populated with all 0xFF")));
}

TEST_F(TpmTest, BankMissing) {
    (void)tpm_.tool({"tpm2_pcrallocate", "sha256:none+sha1:all"});
    tpm_.restart();
    EXPECT_THAT(tpm::seal(access(), {.pcrs = {7}, .signer = {}}),
                FailsWith(ErrorCode::Unsupported, HasSubstr("SHA-256 bank")));
}

TEST_F(TpmTest, OwnerHasAPassword) {
    (void)tpm_.tool({"tpm2_changeauth", "-c", "owner", "secret"});
    const auto result = tpm::seal(access(), {.pcrs = {7}, .signer = {}});
    ASSERT_THAT(result, FailsWith(ErrorCode::TpmUnavailable));
    EXPECT_THAT(result.error().hint, HasSubstr("owner hierarchy"));
    EXPECT_EQ(tpm::describe(access())->at("lockout").at("failures"), 0);
    // What the hint says helps.
    EXPECT_THAT(result.error().hint, HasSubstr(std::string("-a '") + kGuidance + "'"));
    const std::string context = root_.path() + "/srk.ctx";
    (void)tpm_.tool({"tpm2_createprimary", "-C", "o", "-P", "secret", "-G", "ecc", "-c", context,
                     "-a", kGuidance});
    (void)tpm_.tool({"tpm2_evictcontrol", "-C", "o", "-P", "secret", "-c", context, "0x81000001"});
    (void)tpm_.tool({"tpm2_flushcontext", "-t"});
    EXPECT_THAT(tpm::unseal(access(), sealed().key), IsOk());
}

TEST_F(TpmTest, Absent) {
    tpm::Access none{.tcti = {}, .paths = model::SystemPaths(root_.path()), .waitMs = 100};
    EXPECT_THAT(tpm::canSeal(none, {.pcrs = {7}, .signer = {}}),
                FailsWith(ErrorCode::TpmUnavailable, HasSubstr("no TPM")));
    root_.write("sys/class/tpm/tpm0/tpm_version_major", "1\n");
    EXPECT_THAT(tpm::canSeal(none, {.pcrs = {7}, .signer = {}}),
                FailsWith(ErrorCode::Unsupported, HasSubstr("1.2")));
    none.tcti = "swtpm:path=" + root_.path() + "/nothing";
    EXPECT_THAT(tpm::canSeal(none, {.pcrs = {7}, .signer = {}}),
                FailsWith(ErrorCode::TpmUnavailable));
}

// The firmware says that there is one before the kernel has found it.
TEST_F(TpmTest, LateTpmIsWaitedFor) {
    root_.write("sys/firmware/acpi/tables/TPM2", "table");
    tpm::Access late{.tcti = {}, .paths = model::SystemPaths(root_.path()), .waitMs = 100};
    EXPECT_THAT(tpm::chooseTcti(late),
                FailsWith(ErrorCode::TpmUnavailable, HasSubstr("the kernel has found none")))
        << "for ever";
    late.waitMs = 20'000;
    std::thread kernel([this] {
        std::this_thread::sleep_for(std::chrono::milliseconds(300));
        root_.write("dev/tpmrm0", "");
    });
    const auto start = std::chrono::steady_clock::now();
    const auto found = tpm::chooseTcti(late);
    kernel.join();
    ASSERT_THAT(found, IsOk());
    EXPECT_EQ(*found, "device:" + root_.path() + "/dev/tpmrm0");
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
}

TEST_F(TpmTest, SignatureIsFoundWhereSystemdLooks) {
    const model::SystemPaths paths(root_.path());
    const std::string name = "/tpm2-pcr-signature.json";
    const auto missing = tpm::readSignatureFile(paths);
    ASSERT_THAT(missing, FailsWith(ErrorCode::NotFound));
    // From the last place to the first: each hides those before.
    for (const std::string folder :
         {".extra", "usr/lib/systemd", "usr/local/lib/systemd", "run/systemd", "etc/systemd"}) {
        EXPECT_THAT(missing.error().message, HasSubstr("/" + folder + name));
        root_.write(folder + name, folder);
        EXPECT_EQ(tpm::readSignatureFile(paths).value_or(""), folder);
    }
    EXPECT_THAT(tpm::readPublicKeyFile(paths, ""),
                FailsWith(ErrorCode::NotFound, HasSubstr("/.extra/tpm2-pcr-public-key.pem")));
    root_.write(".extra/tpm2-pcr-public-key.pem", "found");
    EXPECT_EQ(tpm::readPublicKeyFile(paths, "").value_or(""), "found");
    EXPECT_EQ(tpm::readPublicKeyFile(paths, root_.write("own.pem", "own")).value_or(""), "own");
}

TEST_F(TpmTest, SignedPolicy) {
    const std::string folder = root_.path() + "/etc/systemd";
    const auto run = [](std::vector<std::string> argv) {
        const ProcessResult result =
            Process{.argv = std::move(argv), .input = {}, .secret = {}}.run();
        ASSERT_EQ(result.exitCode, 0) << result.err;
    };
    ASSERT_TRUE(base::makeDirectories(folder));
    const std::string privateKey = folder + "/private.pem";
    run({"openssl", "genrsa", "-out", privateKey, "2048"});
    const std::string publicKey = folder + "/tpm2-pcr-public-key.pem";
    run({"openssl", "rsa", "-in", privateKey, "-pubout", "-out", publicKey});
    const tpm::PolicySigner signer{.pem = *base::readFile(publicKey), .pcrs = {11}};
    const tpm::NewSecret made = sealed({.pcrs = {7}, .signer = signer});

    EXPECT_THAT(tpm::unseal(access(), made.key),
                FailsWith(ErrorCode::NotFound, HasSubstr("signature of the PCR values")));

    // Signs PCR 11 as it will be, as systemd-measure does.
    const std::string event = crypto::sha256("kernel");
    const std::string value = crypto::sha256(std::string(32, '\0') + event);
    const std::string policy = tpm::withPcrs(tpm::emptyPolicy(), {{11, value}});
    const std::string toSign = root_.write("policy", policy);
    run({"openssl", "dgst", "-sha256", "-sign", privateKey, "-out", root_.path() + "/sig", toSign});
    const std::string print = base::toHex(tpm::PolicyKey::fromPem(signer.pem)->fingerprint);
    root_.write("etc/systemd/tpm2-pcr-signature.json",
                R"({"sha256":[{"pcrs":[11],"pkfp":")" + print + R"(","pol":")" +
                    base::toHex(policy) + R"(","sig":")" +
                    crypto::toBase64(*base::readFile(root_.path() + "/sig")) + R"("}]})");
    EXPECT_THAT(tpm::unseal(access(), made.key),
                FailsWith(ErrorCode::PcrMismatch, HasSubstr("no signatures matching")));
    tpm_.extend(11, "kernel");
    const auto back = tpm::unseal(access(), made.key);
    ASSERT_THAT(back, IsOk());
    EXPECT_TRUE(*back == made.secret);
    EXPECT_EQ(tpm::whyStale(access(), made.key).value_or("?"), "");
    // A later phase of the boot is not signed, and another PCR 7 is not what was sealed to.
    tpm_.extend(7, "changed");
    EXPECT_THAT(tpm::unseal(access(), made.key),
                FailsWith(ErrorCode::PcrMismatch, HasSubstr("PCR 7 changed")));
}

TEST_F(TpmTest, NameOfThePublicKeyIsTheTpms) {
    const std::string key = root_.path() + "/public.pem";
    const std::string pem = root_.path() + "/private.pem";
    ASSERT_EQ(
        (Process{.argv = {"openssl", "genrsa", "-out", pem, "2048"}, .input = {}, .secret = {}}
             .run()
             .exitCode),
        0);
    ASSERT_EQ((Process{.argv = {"openssl", "rsa", "-in", pem, "-pubout", "-out", key},
                       .input = {},
                       .secret = {}}
                   .run()
                   .exitCode),
              0);
    const auto parsed = tpm::PolicyKey::fromPem(*base::readFile(key));
    ASSERT_THAT(parsed, IsOk());
    const std::string area =
        root_.write("area", tpm::u16(static_cast<std::uint16_t>(parsed->publicArea().size())) +
                                parsed->publicArea());
    (void)tpm_.tool({"tpm2_loadexternal", "-C", "o", "-u", area, "-c", root_.path() + "/c", "-n",
                     root_.path() + "/name"});
    (void)tpm_.tool({"tpm2_flushcontext", "-t"});
    EXPECT_EQ(base::toHex(parsed->name()), base::toHex(*base::readFile(root_.path() + "/name")));
}

TEST_F(TpmTest, EnginesTakeTurns) {
    const auto held = tpm::lockTpm(access(), tpm_.tcti());
    ASSERT_THAT(held, IsOk());
    tpm::Access impatient = access();
    impatient.waitMs = 100;
    const auto result = tpm::canSeal(impatient, {.pcrs = {7}, .signer = {}});
    ASSERT_THAT(result, FailsWith(ErrorCode::Busy));
    EXPECT_TRUE(result.error().retry);
    EXPECT_FALSE(tpm::lockTpm(impatient, "device:/dev/tpmrm0")->valid());
}

TEST(SecureBoot, TalosTexts) {
    const TempDir root;
    const model::SystemPaths paths(root.path());
    const std::string variables = "sys/firmware/efi/efivars/";
    const std::string guid = "-8be4df61-93ca-11d2-aa0d-00e098032b8c";
    EXPECT_THAT(tpm::requireSecureBoot(paths),
                FailsWith(ErrorCode::InvalidConfig,
                          "failed to enroll the TPM2 key, as SecureBoot is disabled (and "
                          "checkSecurebootOnEnroll is enabled)"));
    root.write(variables + "SecureBoot" + guid, std::string("\x06\0\0\0\x01", 5));
    EXPECT_THAT(tpm::requireSecureBoot(paths), IsOk());
    root.write(variables + "SetupMode" + guid, std::string("\x06\0\0\0\x01", 5));
    EXPECT_THAT(tpm::requireSecureBoot(paths),
                FailsWith(ErrorCode::InvalidConfig,
                          "failed to enroll the TPM2 key, as the system is in SecureBoot setup "
                          "mode (and checkSecurebootOnEnroll is enabled)"));
    root.write(variables + "SecureBoot" + guid, std::string("\x06\0\0\0\0", 5));
    EXPECT_THAT(tpm::requireSecureBoot(paths), FailsWith(ErrorCode::InvalidConfig));
}

}  // namespace
}  // namespace volumecrypt::test
