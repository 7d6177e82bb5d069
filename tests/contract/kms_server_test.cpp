// SPDX-License-Identifier: Apache-2.0
// volumecrypt-kms-server: whom it serves, what it refuses and what it writes down; and the bytes on
// the wire.
#include <filesystem>
#include <thread>

#include "kms.pb.h"
#include "kms_server/key_store.h"
#include "kms_server/sealing.h"
#include "support/hex.h"
#include "support/kms_place.h"
#include "support/process.h"
#include "support/result_matchers.h"
#include "support/socket_tricks.h"

namespace volumecrypt::test {
namespace {

using base::ErrorCode;
using testing::HasSubstr;

// AES-256 key 40..5f, nonce 00..0b, data 00..1f.
constexpr const char *kSealedHex =
    "000102030405060708090a0b3a046e7b738942a7ca1b8ac9b4e0c2b493d53f1a7859bb44f639f28d5dac7741433ea9"
    "6d2f885eb89ad749ca1982e209";
constexpr const char *kRequestHex =
    "0a2431323365343536372d653839622d313264332d613435362d343236363134313734303030"
    "1220000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

std::string vectorKey() {
    std::string key;
    for (char c = 0x40; c < 0x60; ++c) key += c;
    return key;
}

class KmsServerTest : public testing::Test {
  protected:
    TempDir directory_;
};

TEST_F(KmsServerTest, SealsAsTheVector) {
    const auto key = base::SecretBuffer::copyOf(vectorKey());
    const auto sealed = kms_server::seal(key, countingBytes(), fromHex("000102030405060708090a0b"));
    ASSERT_THAT(sealed, IsOk());
    EXPECT_EQ(toHex(*sealed), kSealedHex);
    const auto data = kms_server::unseal(key, fromHex(kSealedHex));
    ASSERT_THAT(data, IsOk());
    EXPECT_TRUE(*data == countingBytes());
}

TEST_F(KmsServerTest, NoChangedByteIsUnsealed) {
    const auto key = base::SecretBuffer::copyOf(vectorKey());
    for (std::size_t i = 0; i < kms_server::kSealedSize; ++i) {
        std::string changed = fromHex(kSealedHex);
        changed[i] = static_cast<char>(changed[i] ^ 1);
        EXPECT_THAT(kms_server::unseal(key, changed), FailsWith(ErrorCode::KeyRejected)) << i;
    }
    EXPECT_THAT(kms_server::unseal(key, fromHex(kSealedHex).substr(1)),
                FailsWith(ErrorCode::KeyRejected));
}

TEST_F(KmsServerTest, EncodesMessagesAsTheVectors) {
    sidero::kms::Request request;
    request.set_node_uuid(kNode);
    const base::SecretBuffer data = countingBytes();
    request.set_data(data.chars(), data.size());
    EXPECT_EQ(toHex(request.SerializeAsString()), kRequestHex);
    sidero::kms::Request back;
    ASSERT_TRUE(back.ParseFromString(fromHex(kRequestHex)));
    EXPECT_EQ(back.node_uuid(), kNode);
    EXPECT_EQ(back.data(), std::string(data.chars(), data.size()));
    sidero::kms::Response response;
    ASSERT_TRUE(response.ParseFromString(fromHex(std::string("0a3c") + kSealedHex)));
    EXPECT_EQ(toHex(response.data()), kSealedHex);
    EXPECT_EQ(toHex(response.SerializeAsString()), std::string("0a3c") + kSealedHex);
}

// The client sends exactly the message of the vector, to the path of the service.
TEST_F(KmsServerTest, TheClientSaysTheVectorOnTheWire) {
    // An empty SETTINGS frame: what an HTTP/2 server says first.
    ScriptedServer server(fromHex("000000040000000000"));
    base::KmsRequest request = sealRequest("127.0.0.1:" + std::to_string(server.port()));
    request.timeoutMs = 700;
    EXPECT_THAT(askKms(request), FailsWith(ErrorCode::KmsUnreachable));
    const std::string heard = server.heard();
    EXPECT_THAT(heard, HasSubstr(fromHex(std::string("0000000048") + kRequestHex)));
    EXPECT_THAT(heard, HasSubstr("/sidero.kms.KMSService/Seal"));
}

// The vector in the other direction: this server opens what another one sealed.
TEST_F(KmsServerTest, UnsealsTheVectorOverTheNetwork) {
    const ServerProcess server(
        kmsServer({"--plaintext", "--key-file", directory_.write("key", vectorKey())}));
    const auto sealed = base::SecretBuffer::copyOf(fromHex(kSealedHex));
    const auto data = askKms(unsealRequest(server.at("127.0.0.1"), sealed));
    ASSERT_THAT(data, IsOk());
    EXPECT_TRUE(*data == countingBytes());
}

TEST_F(KmsServerTest, ForgetsANodeWhenItsKeyIsRemoved) {
    const std::string path = directory_.write(std::string("keys/") + kNode + ".key", vectorKey());
    ServerProcess server(kmsServer({"--plaintext", "--key-dir", directory_.file("keys")}));
    const std::string endpoint = server.at("127.0.0.1");
    const auto sealed = askKms(sealRequest(endpoint));
    ASSERT_THAT(sealed, IsOk());
    base::KmsRequest stranger = sealRequest(endpoint);
    stranger.node = "00000000-e89b-12d3-a456-426614174000";
    EXPECT_THAT(askKms(stranger), FailsWith(ErrorCode::KmsRejected, HasSubstr("has no key")));
    std::filesystem::remove(path);
    const auto refused = askKms(unsealRequest(endpoint, *sealed));
    EXPECT_THAT(refused, FailsWith(ErrorCode::KmsRejected, HasSubstr("has no key")));
    EXPECT_FALSE(refused.error().retry);
    directory_.write(std::string("keys/") + kNode + ".key", "too short");
    EXPECT_THAT(askKms(unsealRequest(endpoint, *sealed)), FailsWith(ErrorCode::KmsUnreachable));
    EXPECT_EQ(server.stop(), 0);
    const std::string log = server.log();
    EXPECT_THAT(log,
                HasSubstr(std::string("seal for node ") + kNode + ", asked by ipv4:127.0.0.1"));
    EXPECT_THAT(log, HasSubstr("refused: this server has no key for the node"));
    EXPECT_THAT(log, HasSubstr("is not a key of 32 bytes"));
    EXPECT_THAT(log, testing::Not(HasSubstr(vectorKey())));
}

// systemd names the files of a credential directory so.
TEST_F(KmsServerTest, FindsKeysBehindAPrefix) {
    directory_.write(std::string("credentials/keys_") + kNode + ".key", vectorKey());
    const ServerProcess server(kmsServer(
        {"--plaintext", "--key-dir", directory_.file("credentials"), "--key-prefix", "keys_"}));
    EXPECT_THAT(askKms(sealRequest(server.at("127.0.0.1"))), IsOk());
}

// Firmware and Talos spell UUIDs in both cases, and some firmware has none.
TEST_F(KmsServerTest, TakesEveryNameOfANode) {
    const std::string keys = directory_.file("keys");
    directory_.write("keys/4c4c4544-0039-3010-8048-b7c04f384432.key", vectorKey());
    directory_.write("keys/0A0B0C0D-0039-3010-8048-B7C04F384432.key", vectorKey());
    directory_.write("keys/Not%20Settable.key", vectorKey());
    directory_.write("keys/%2E.%2Foutside.key", vectorKey());
    directory_.write("outside.key", std::string(32, 'x'));
    directory_.write("keys/rack-7.node_3.key", vectorKey());
    const ServerProcess server(kmsServer({"--plaintext", "--key-dir", keys}));
    base::KmsRequest request =
        unsealRequest(server.at("127.0.0.1"), base::SecretBuffer::copyOf(fromHex(kSealedHex)));
    for (const char *node :
         {"4c4c4544-0039-3010-8048-b7c04f384432", "4C4C4544-0039-3010-8048-B7C04F384432",
          "4c4C4544-0039-3010-8048-B7c04f384432", "0a0b0c0d-0039-3010-8048-b7c04f384432",
          "0A0B0C0D-0039-3010-8048-b7c04f384432", "Not Settable", "../outside", "rack-7.node_3"}) {
        request.node = node;
        EXPECT_THAT(askKms(request), IsOk()) << node;
    }
    for (const char *node : {"not settable", "..", ".", "/etc/passwd", "*", "rack-7.node_3.key",
                             "keys/rack-7.node_3", "./rack-7.node_3"}) {
        request.node = node;
        EXPECT_THAT(askKms(request), FailsWith(ErrorCode::KmsRejected, HasSubstr("has no key")))
            << node;
    }
}

TEST_F(KmsServerTest, NamesFilesSafely) {
    using Names = std::vector<std::string>;
    const auto names = [](std::string_view node) { return kms_server::keyNamesOf(node); };
    EXPECT_EQ(names("../../etc/passwd"), Names{"%2E.%2F..%2Fetc%2Fpasswd"});
    EXPECT_EQ(names(std::string_view("a\0b", 3)), Names{"a%00b"});
    EXPECT_EQ(names("."), Names{"%2E"});
    EXPECT_EQ(names("100%25"), Names{"100%2525"});
    EXPECT_EQ(names("\xc3\xa4"), Names{"%C3%A4"});
    EXPECT_EQ(names(""), Names{});
    EXPECT_EQ(names(std::string(64, '/')).front().size(), 192U);
    EXPECT_EQ(names(std::string(65, 'a')), Names{});
}

TEST_F(KmsServerTest, RefusesWrongLengths) {
    const ServerProcess server(
        kmsServer({"--plaintext", "--key-file", directory_.write("key", vectorKey())}));
    const std::string endpoint = server.at("127.0.0.1");
    for (const std::size_t size : {1U, 31U, 33U, 4000U}) {
        base::KmsRequest request = sealRequest(endpoint);
        request.data = base::SecretBuffer(size);
        EXPECT_THAT(askKms(request),
                    FailsWith(ErrorCode::KmsRejected, HasSubstr("incorrect data length")))
            << size;
    }
}

TEST_F(KmsServerTest, MatchesNodesWithTheirCertificates) {
    const Authority ca(directory_, "ca");
    const Identity identity = ca.issue("server", "DNS:localhost");
    const ServerProcess server(kmsServer(
        {"--key-file", directory_.write("key", vectorKey()), "--tls-cert", identity.certificate,
         "--tls-key", identity.key, "--client-ca", ca.certificate(), "--match-certificate"}));
    base::KmsRequest request = sealRequest("grpcs://" + server.at("localhost"));
    request.caFile = ca.certificate();
    for (const auto &[name, names, served] :
         {std::tuple{kNode, "DNS:node", true},
          std::tuple{"upper", "URI:urn:uuid:123E4567-E89B-12D3-A456-426614174000", true},
          std::tuple{"uri", "URI:urn:uuid:123e4567-e89b-12d3-a456-426614174000", true},
          std::tuple{"other", "DNS:node", false}}) {
        const Identity client = ca.issue(name, names);
        request.clientCertFile = client.certificate;
        request.clientKeyFile = client.key;
        const auto answer = askKms(request);
        EXPECT_EQ(answer.has_value(), served) << name;
        if (!served) {
            EXPECT_THAT(answer, FailsWith(ErrorCode::KmsRejected, HasSubstr("another node's")));
        }
    }
}

TEST_F(KmsServerTest, DoesNotStartWithoutWhatItNeeds) {
    const std::string key = directory_.write("key", vectorKey());
    const auto run = [](const std::vector<std::string> &options) {
        return Process{.argv = kmsServer(options), .input = {}, .secret = {}}.run();
    };
    EXPECT_EQ(run({}).exitCode, 64);
    EXPECT_EQ(run({"--key-file", key}).exitCode, 64);
    EXPECT_EQ(run({"--key-file", key, "--key-dir", "/", "--plaintext"}).exitCode, 64);
    EXPECT_EQ(run({"--key-file", key, "--plaintext", "--client-ca", key}).exitCode, 64);
    EXPECT_EQ(run({"--key-file", key, "--tls-cert", key, "--tls-key", key, "--match-certificate"})
                  .exitCode,
              64);
    const ProcessResult missing = run({"--plaintext", "--key-file", directory_.file("absent")});
    EXPECT_EQ(missing.exitCode, 1);
    EXPECT_THAT(missing.err, HasSubstr("absent"));
    EXPECT_EQ(run({"--plaintext", "--key-file", directory_.write("short", "short")}).exitCode, 1);
    const Authority ca(directory_, "ca");
    const Identity one = ca.issue("one", "DNS:one");
    const Identity other = ca.issue("other", "DNS:other");
    for (const auto &[certificate, secret, clients, complaint] :
         {std::tuple{key, key, ca.certificate(), "holds no certificate"},
          std::tuple{one.certificate, key, ca.certificate(), "holds no private key"},
          std::tuple{one.certificate, other.key, ca.certificate(), "is not the key of"},
          std::tuple{one.certificate, one.key, key, "holds no certificate"}}) {
        const ProcessResult bad = run({"--key-file", key, "--tls-cert", certificate, "--tls-key",
                                       secret, "--client-ca", clients});
        EXPECT_EQ(bad.exitCode, 1) << complaint;
        EXPECT_THAT(bad.err, HasSubstr(complaint));
    }
    for (const char *place : {"127.0.0.1", "127.0.0.1:x", "::1:1", ":1", "127.0.0.1:65536"}) {
        const ProcessResult bad = Process{
            .argv = {KMS_SERVER, "--listen", place, "--plaintext", "--key-file", key},
            .input = {},
            .secret = {}}.run();
        EXPECT_EQ(bad.exitCode, 1) << place;
        EXPECT_THAT(bad.err, HasSubstr("it is no address and port")) << place;
    }
    const ServerProcess first(kmsServer({"--plaintext", "--key-file", key}));
    const ProcessResult second = Process{
        .argv = {KMS_SERVER, "--listen", first.at("127.0.0.1"), "--plaintext", "--key-file", key},
        .input = {},
        .secret = {}}.run();
    EXPECT_EQ(second.exitCode, 1);
    EXPECT_THAT(second.err, HasSubstr("cannot listen"));
}

TEST_F(KmsServerTest, ServesAHundredAtOnce) {
    const ServerProcess server(
        kmsServer({"--plaintext", "--key-file", directory_.write("key", vectorKey())}));
    std::vector<std::thread> threads;
    std::vector<std::string> failures(100);
    threads.reserve(failures.size());
    for (std::string &failure : failures)
        threads.emplace_back([&server, &failure] {
            const std::string endpoint = server.at("127.0.0.1");
            const auto sealed = askKms(sealRequest(endpoint));
            if (!sealed) {
                failure = sealed.error().message;
                return;
            }
            const auto data = askKms(unsealRequest(endpoint, *sealed));
            if (!data)
                failure = data.error().message;
            else if (!(*data == countingBytes()))
                failure = "other bytes";
        });
    for (std::thread &thread : threads) thread.join();
    for (const std::string &failure : failures) EXPECT_EQ(failure, "");
}

}  // namespace
}  // namespace volumecrypt::test
