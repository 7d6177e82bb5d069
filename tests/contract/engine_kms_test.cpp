// SPDX-License-Identifier: Apache-2.0
// kms keys in a volume: made, opened, moved to another server, and deferred; and nothing written
// when the server misbehaves.
#include <algorithm>
#include <atomic>
#include <filesystem>
#include <thread>

#include "base/files.h"
#include "crypto/base64.h"
#include "support/hex.h"
#include "support/kms_place.h"
#include "support/result_matchers.h"
#include "support/socket_tricks.h"
#include "support/volume_fixture.h"

namespace volumecrypt::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using Json = nlohmann::json;

class EngineKmsTest : public VolumeFixture {
  protected:
    EngineKmsTest() : key_(directory_.write("all.key", std::string(32, 'k'))) { makeImage(); }

    [[nodiscard]] EngineResult run(const std::string &verb,
                                   const std::string &id = "u-data") const {
        return engine(verb, {"--kms-helper", KMS_CLIENT}, {}, id);
    }
    [[nodiscard]] std::vector<std::string> plain() const {
        return kmsServer({"--plaintext", "--key-file", key_});
    }
    static std::string kmsKey(unsigned slot, const std::string &endpoint,
                              const std::string &more = "") {
        return "- {slot: " + std::to_string(slot) + ", kms: {endpoint: \"" + endpoint + "\"" +
               more + "}}\n";
    }
    [[nodiscard]] Json token(unsigned id) const {
        const ProcessResult result =
            cryptsetup({"token", "export", "--token-id", std::to_string(id), image_});
        return result.exitCode == 0 ? Json::parse(result.out) : Json();
    }
    // The passphrase of a kms slot as another implementation would get it.
    [[nodiscard]] static std::string passphraseFrom(const Json &token, base::KmsRequest request) {
        const std::string sealed = token.at("UserData").at("sealedData");
        const ProcessResult bytes =
            Process{.argv = {"base64", "-d"}, .input = sealed, .secret = {}}.run();
        request.operation = base::KmsOperation::Unseal;
        request.node = kUuid;
        request.data = base::SecretBuffer::copyOf(bytes.out);
        const auto key = askKms(request);
        if (!key) return {};
        const base::SecretBuffer text = crypto::base64Text(*key);
        return {text.chars(), text.size()};
    }
    // A warning line of the engine's with `words` in its message.
    static bool warns(const EngineResult &result, const std::string &words) {
        return std::ranges::any_of(result.lines, [&](const Json &line) {
            return line.at("type") == "warning" &&
                   line.at("message").get<std::string>().find(words) != std::string::npos;
        });
    }
    // format refuses with this code and these words, and the blank image stays blank.
    void expectNotFormatted(const std::string &endpoint, const std::string &code, bool retry,
                            const std::string &words, const std::string &more = "") {
        const std::string before = imageBytes();
        declare(kmsKey(0, endpoint, more));
        const EngineResult result = run("format");
        EXPECT_EQ(result.exitCode, retry ? 75 : 1) << result.last().dump();
        EXPECT_EQ(result.code(), code) << result.last().dump();
        EXPECT_EQ(result.last().at("retry"), retry) << result.last().dump();
        EXPECT_THAT(result.last().value("message", ""),
                    AllOf(HasSubstr(words), HasSubstr("slot 0")));
        EXPECT_FALSE(result.last().value("hint", "").empty());
        EXPECT_TRUE(imageBytes() == before) << words;
    }

    std::string key_;
};

TEST_F(EngineKmsTest, FormatsOpensAndKeepsAKey) {
    const ServerProcess server(plain());
    const std::string endpoint = "grpc://" + server.at("127.0.0.1");
    declare(kmsKey(3, endpoint));
    const EngineResult planned = run("plan");
    EXPECT_EQ(planned.steps(), std::vector<std::string>{"add 3"});
    EXPECT_TRUE(warns(planned, "is not encrypted"));
    ASSERT_EQ(run("format").exitCode, 0);
    const Json sealed = token(3);
    EXPECT_EQ(sealed.at("type"), "sideroKMS");
    EXPECT_EQ(sealed.at("keyslots"), Json::array());
    EXPECT_EQ(sealed.at("UserData").at("endpoint"), endpoint);
    const std::string passphrase = passphraseFrom(sealed, sealRequest(endpoint));
    EXPECT_EQ(passphrase.size(), 44U);
    EXPECT_TRUE(opens(3, passphrase));
    const std::string before = imageBytes();
    EXPECT_EQ(run("plan").exitCode, 0);
    const EngineResult synced = run("sync");
    EXPECT_EQ(synced.exitCode, 0) << synced.last().dump();
    EXPECT_EQ(synced.last().at("changed"), false);
    EXPECT_TRUE(imageBytes() == before);
}

TEST_F(EngineKmsTest, UsesTlsAndClientCertificates) {
    const Authority ca(directory_, "ca");
    const Identity identity = ca.issue("server", "DNS:localhost");
    const Identity client = ca.issue("client", "DNS:client");
    const std::vector<std::string> tls{"--key-file",         key_,        "--tls-cert",
                                       identity.certificate, "--tls-key", identity.key};
    std::vector<std::string> mutual = tls;
    mutual.insert(mutual.end(), {"--client-ca", ca.certificate()});
    const std::string trust = ", caFile: " + ca.certificate();
    const std::string show =
        ", clientCertFile: " + client.certificate + ", clientKeyFile: " + client.key;
    for (const auto &[options, more] : {std::pair{tls, trust}, std::pair{mutual, trust + show}}) {
        const ServerProcess server(kmsServer(options));
        makeImage();
        declare(kmsKey(0, "grpcs://" + server.at("localhost"), more));
        const EngineResult formatted = run("format");
        EXPECT_EQ(formatted.exitCode, 0) << formatted.last().dump();
        EXPECT_FALSE(warns(formatted, "is not encrypted"));
        EXPECT_EQ(run("sync").exitCode, 0);
    }
    const ServerProcess server(kmsServer(mutual));
    const std::string endpoint = "grpcs://" + server.at("localhost");
    makeImage();
    expectNotFormatted(endpoint, "KmsRejected", false, "asks for a client certificate", trust);
    expectNotFormatted(endpoint, "KmsUnreachable", false, "no authority known to this system");
    const Authority other(directory_, "other");
    expectNotFormatted(endpoint, "KmsUnreachable", false, "no authority in caFile",
                       ", caFile: " + other.certificate());
    const Identity wrong = ca.issue("elsewhere", "DNS:elsewhere");
    const Identity old = ca.issue("old", "DNS:localhost", -1);
    for (const auto &[used, retry, words] :
         {std::tuple{wrong, false, "is not for the name localhost"},
          std::tuple{old, true, "expired certificate"}}) {
        const ServerProcess bad(
            kmsServer({"--key-file", key_, "--tls-cert", used.certificate, "--tls-key", used.key}));
        expectNotFormatted("grpcs://" + bad.at("localhost"), "KmsUnreachable", retry, words, trust);
    }
}

TEST_F(EngineKmsTest, WritesNothingWhenTheServerMisbehaves) {
    struct Case {
        const char *mode;
        const char *code;
        bool retry;
        const char *words;
    };
    for (const Case &wanted : {
             Case{"random", "KmsRejected", false, "gives back another key"},
             Case{"random-unseal", "KmsRejected", false, "gives back another key"},
             Case{"short-unseal", "KmsRejected", false, "gives back another key"},
             Case{"long", "KmsRejected", false, "gives back another key"},
             Case{"echo", "KmsRejected", false, "the key itself"},
             Case{"empty", "KmsRejected", false, "a sealed key of 0 bytes"},
             Case{"huge", "KmsRejected", false, "too long for a key"},
             Case{"hostile", "KmsRejected", false, "refuses node"},
             Case{"die", "KmsUnreachable", true, "the KMS"},
             Case{"slow", "KmsUnreachable", true, "did not answer within 10 s"},
         }) {
        const ServerProcess server(faultServer(wanted.mode));
        expectNotFormatted(server.at("127.0.0.1"), wanted.code, wanted.retry, wanted.words);
    }
    expectNotFormatted("127.0.0.1:" + std::to_string(unusedPort()), "KmsUnreachable", true,
                       "Connection refused");
    const ServerProcess server(plain());
    const CuttingRelay relay(server.port(), 150);
    expectNotFormatted("127.0.0.1:" + std::to_string(relay.port()), "KmsUnreachable", true,
                       "the KMS");
}

TEST_F(EngineKmsTest, DefersWhatHasToWaitForTheServer) {
    const std::string nodeId = "- {slot: 0, nodeID: {}}\n";
    declare(nodeId);
    ASSERT_EQ(run("format").exitCode, 0);
    const std::string address = "127.0.0.1:" + std::to_string(unusedPort());
    declare(nodeId + kmsKey(1, address));
    const std::string before = imageBytes();
    const EngineResult deferred = run("sync");
    EXPECT_EQ(deferred.exitCode, 75);
    EXPECT_EQ(deferred.code(), "KmsUnreachable");
    EXPECT_EQ(deferred.last().at("retry"), true);
    EXPECT_EQ(deferred.steps(), std::vector<std::string>{"defer 1"});
    EXPECT_TRUE(imageBytes() == before);
    const ServerProcess server(
        {KMS_SERVER, "--listen", address, "--plaintext", "--key-file", key_});
    ASSERT_NE(server.port(), 0U);
    const EngineResult added = run("sync");
    EXPECT_EQ(added.exitCode, 0) << added.last().dump();
    EXPECT_EQ(added.steps(), std::vector<std::string>{"add 1"});
    EXPECT_TRUE(opens(1, passphraseFrom(token(1), sealRequest(address))));
}

TEST_F(EngineKmsTest, AKeyThatCannotBeHadIsKeptUnverified) {
    auto server = std::make_unique<ServerProcess>(plain());
    declare("- {slot: 0, nodeID: {}}\n" + kmsKey(1, server->at("127.0.0.1")));
    ASSERT_EQ(run("format").exitCode, 0);
    server.reset();
    const std::string before = imageBytes();
    const EngineResult kept = run("sync");
    EXPECT_EQ(kept.exitCode, 0) << kept.last().dump();
    EXPECT_EQ(kept.steps(), std::vector<std::string>{});
    EXPECT_TRUE(imageBytes() == before);
}

TEST_F(EngineKmsTest, ANewEndpointIsANewKey) {
    const ServerProcess first(plain());
    const ServerProcess second(kmsServer(
        {"--plaintext", "--key-file", directory_.write("second.key", std::string(32, 's'))}));
    const std::string nodeId = "- {slot: 0, nodeID: {}}\n";
    declare(nodeId + kmsKey(1, first.at("127.0.0.1")));
    ASSERT_EQ(run("format").exitCode, 0);
    const Json before = token(1);
    const std::string old = passphraseFrom(before, sealRequest(first.at("127.0.0.1")));
    ASSERT_TRUE(opens(1, old));
    declare(nodeId + kmsKey(1, second.at("127.0.0.1")));
    EXPECT_EQ(run("plan").steps(), std::vector<std::string>{"replace 1"});
    EXPECT_EQ(run("sync").exitCode, 0);
    const Json after = token(1);
    EXPECT_EQ(after.at("UserData").at("endpoint"), second.at("127.0.0.1"));
    EXPECT_FALSE(opens(1, old));
    EXPECT_TRUE(opens(1, passphraseFrom(after, sealRequest(second.at("127.0.0.1")))));
    EXPECT_EQ(run("plan").exitCode, 0);
    // The same server under another name: one that does not answer yet is waited for.
    declare(nodeId + kmsKey(1, "127.0.0.1:" + std::to_string(unusedPort())));
    const std::string bytes = imageBytes();
    const EngineResult deferred = run("sync");
    EXPECT_EQ(deferred.exitCode, 75) << deferred.last().dump();
    EXPECT_EQ(deferred.steps(), std::vector<std::string>{"defer 1"});
    EXPECT_TRUE(imageBytes() == bytes);
}

TEST_F(EngineKmsTest, ANodeThatWasForgottenStaysLocked) {
    const std::string node =
        directory_.write(std::string("keys/") + kUuid + ".key", std::string(32, 'n'));
    const ServerProcess server(kmsServer({"--plaintext", "--key-dir", directory_.file("keys")}));
    const std::string endpoint = server.at("127.0.0.1");
    declare(kmsKey(0, endpoint));
    ASSERT_EQ(run("format").exitCode, 0);
    ASSERT_EQ(run("plan").exitCode, 0);
    std::filesystem::remove(node);
    const std::string before = imageBytes();
    for (const char *verb : {"plan", "sync"}) {
        const EngineResult refused = run(verb);
        EXPECT_EQ(refused.exitCode, 1);
        EXPECT_EQ(refused.code(), "KmsRejected") << refused.last().dump();
        EXPECT_THAT(refused.last().value("message", ""), HasSubstr("has no key for the node"));
    }
    EXPECT_TRUE(imageBytes() == before);
}

TEST_F(EngineKmsTest, RandomBytesForAKnownKeyAreNoBrokenVolume) {
    {
        const ServerProcess server(plain());
        declare(kmsKey(0, server.at("127.0.0.1")));
        ASSERT_EQ(run("format").exitCode, 0);
    }
    const std::string before = imageBytes();
    const ServerProcess liar(faultServer("random-unseal"));
    declare(kmsKey(0, liar.at("127.0.0.1")));
    const EngineResult refused = run("sync");
    EXPECT_EQ(refused.code(), "KmsRejected") << refused.last().dump();
    EXPECT_THAT(refused.last().value("message", ""), HasSubstr("does not know this machine"));
    const ServerProcess shortened(faultServer("short-unseal"));
    declare(kmsKey(0, shortened.at("127.0.0.1")));
    const EngineResult cut = run("sync");
    EXPECT_EQ(cut.code(), "KmsRejected");
    EXPECT_THAT(cut.last().value("message", ""), HasSubstr("31 bytes instead of the key's 32"));
    EXPECT_TRUE(imageBytes() == before);
}

// A volume that Talos made, with the token of its test vector.
TEST_F(EngineKmsTest, AdoptsASlotOfTalos) {
    std::string vectorKey;
    for (char c = 0x40; c < 0x60; ++c) vectorKey += c;
    const ServerProcess server(
        kmsServer({"--plaintext", "--key-file", directory_.write("vector.key", vectorKey)}));
    ASSERT_EQ(cryptsetup({"luksFormat", "--type", "luks2", "--pbkdf", "argon2id",
                          "--pbkdf-force-iterations", "4", "--pbkdf-memory", "32", "--key-file",
                          "-", image_},
                         "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
                  .exitCode,
              0);
    ASSERT_EQ(
        cryptsetup({"token", "import", "--token-id", "0", image_},
                   R"({"UserData":{"sealedData":"AAECAwQFBgcICQoLOgRue3OJQqfKG4rJtODCtJPVPxp4WbtE9)"
                   R"(jnyjV2sd0FDPqltL4heuJrXScoZguIJ"},"type":"sideroKMS","keyslots":[]})")
            .exitCode,
        0);
    declare(kmsKey(0, server.at("127.0.0.1")));
    EXPECT_EQ(run("plan").steps(), std::vector<std::string>{"adopt 0"});
    const EngineResult adopted = run("sync");
    EXPECT_EQ(adopted.exitCode, 0) << adopted.last().dump();
    EXPECT_TRUE(opens(0, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="));
    EXPECT_EQ(run("plan").exitCode, 0);
}

TEST_F(EngineKmsTest, SaysWhenItsHelperIsMissing) {
    declare(kmsKey(0, "kms:4050"));
    const EngineResult result = engine("format", {"--kms-helper", directory_.file("absent")});
    EXPECT_EQ(result.exitCode, 1);
    EXPECT_THAT(result.last().value("message", ""), HasSubstr("is not installed"));
    EXPECT_THAT(result.last().value("hint", ""),
                HasSubstr("Install it to use kms keys: the package volumecrypt-kms."));
    const EngineResult broken = engine("format", {"--kms-helper", "/bin/true"});
    EXPECT_EQ(broken.exitCode, 1);
    EXPECT_THAT(broken.last().value("message", ""), HasSubstr("ended with status 0"));
}

TEST_F(EngineKmsTest, AHundredEnginesAtOnce) {
// With the sanitizer each process takes many times its time and memory.
#ifdef __SANITIZE_ADDRESS__
    constexpr int kCount = 10;
#else
    constexpr int kCount = 100;
#endif
    // With room for the file system that is declared by default.
    makeImage(std::uint64_t{32} << 20);
    const ServerProcess server(plain());
    std::string yaml;
    for (int i = 0; i < kCount; ++i) {
        const std::string name = "n" + std::to_string(i);
        const std::string image = directory_.file(name);
        std::filesystem::copy_file(image_, image);
        yaml.append("---\napiVersion: v1alpha1\nkind: UserVolumeConfig\nname: ").append(name);
        yaml.append("\nvolume: {device: ").append(image);
        yaml.append("}\nencryption:\n  provider: luks2\n  keys:\n    ");
        yaml.append(kmsKey(0, server.at("127.0.0.1")));
    }
    writeConfig(yaml);
    std::vector<std::string> failures(kCount);
    std::vector<std::thread> threads;
    threads.reserve(kCount);
    for (int i = 0; i < kCount; ++i)
        threads.emplace_back([this, i, &failure = failures.at(static_cast<std::size_t>(i))] {
            for (const char *verb : {"format", "plan"})
                if (const EngineResult result = run(verb, "u-n" + std::to_string(i));
                    result.exitCode != 0)
                    failure += result.lines.empty() ? result.err : result.last().dump();
        });
    for (std::thread &thread : threads) thread.join();
    for (const std::string &failure : failures) EXPECT_EQ(failure, "");
}

}  // namespace
}  // namespace volumecrypt::test
