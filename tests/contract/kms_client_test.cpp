// SPDX-License-Identifier: Apache-2.0
// volumecrypt-kms against the real server, and against servers and networks that misbehave: each
// failure is bounded in time and has a message of its own.
#include <chrono>
#include <thread>

#include "support/kms_place.h"
#include "support/result_matchers.h"
#include "support/socket_tricks.h"

namespace volumecrypt::test {
namespace {

using base::ErrorCode;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class KmsClientTest : public testing::Test {
  protected:
    KmsClientTest() : key_(directory_.write("all.key", std::string(32, 'k'))) {}

    std::vector<std::string> plain() { return kmsServer({"--plaintext", "--key-file", key_}); }
    std::vector<std::string> tls(const Identity &identity, std::vector<std::string> more = {}) {
        more.insert(more.begin(), {"--key-file", key_, "--tls-cert", identity.certificate,
                                   "--tls-key", identity.key});
        return kmsServer(std::move(more));
    }
    static base::KmsRequest trusting(const std::string &endpoint, const std::string &ca) {
        base::KmsRequest request = sealRequest(endpoint);
        request.caFile = ca;
        return request;
    }
    static base::KmsRequest as(base::KmsRequest request, const Identity &client) {
        request.clientCertFile = client.certificate;
        request.clientKeyFile = client.key;
        return request;
    }
    // `retry` is what the engine decides by.
    template <typename Matcher>
    static void expectFailure(const base::Result<base::SecretBuffer> &answer, ErrorCode code,
                              bool retry, Matcher message) {
        ASSERT_THAT(answer, FailsWith(code, message));
        EXPECT_EQ(answer.error().retry, retry) << answer.error().message;
        EXPECT_FALSE(answer.error().hint.empty()) << answer.error().message;
    }

    TempDir directory_;
    std::string key_;
    Authority ca_{directory_, "ca"};
    static constexpr const char *kNames = "DNS:localhost,IP:127.0.0.1";
};

TEST_F(KmsClientTest, SealsAndUnsealsInPlaintext) {
    const ServerProcess server(plain());
    const std::string bare = server.at("127.0.0.1");
    const auto sealed = askKms(sealRequest("grpc://" + bare));
    ASSERT_THAT(sealed, IsOk());
    EXPECT_EQ(sealed->size(), 60U);
    for (const std::string &endpoint : {bare, "grpc://" + bare, "grpc://" + bare + "/path?query",
                                        "GRPC://" + bare, server.at("localhost")}) {
        const auto back = askKms(unsealRequest(endpoint, *sealed));
        ASSERT_THAT(back, IsOk()) << endpoint;
        EXPECT_TRUE(*back == countingBytes());
    }
}

// Through an interface, as link-local addresses are reached: the certificate knows of none.
TEST_F(KmsClientTest, FindsIpv6AddressesWithAZone) {
    const Identity identity = ca_.issue("server", "IP:::1");
    const ServerProcess server({KMS_SERVER, "--listen", "[::1]:0", "--key-file", key_, "--tls-cert",
                                identity.certificate, "--tls-key", identity.key});
    ASSERT_NE(server.port(), 0U);
    for (const char *host : {"[::1]", "[::1%lo]", "[::1%25lo]", "[::1%1]"})
        EXPECT_THAT(askKms(trusting("grpcs://" + server.at(host), ca_.certificate())), IsOk())
            << host;
    // Looking at the certificate again, too.
    const Authority other(directory_, "other");
    expectFailure(askKms(trusting("grpcs://" + server.at("[::1%lo]"), other.certificate())),
                  ErrorCode::KmsUnreachable, false, HasSubstr("no authority"));
}

TEST_F(KmsClientTest, SpeaksTlsForEveryOtherScheme) {
    const Identity identity = ca_.issue("server", kNames);
    const ServerProcess server(tls(identity));
    for (const char *scheme : {"grpcs://", "https://", "http://"})
        for (const char *host : {"localhost", "127.0.0.1"})
            EXPECT_THAT(askKms(trusting(scheme + server.at(host), ca_.certificate())), IsOk())
                << scheme << host;
    expectFailure(askKms(sealRequest(server.at("localhost"))), ErrorCode::KmsUnreachable, true,
                  HasSubstr("closes the connection"));
}

TEST_F(KmsClientTest, NamesWhatIsWrongWithACertificate) {
    const Authority other(directory_, "other");
    {
        const ServerProcess server(tls(ca_.issue("server", kNames)));
        const std::string endpoint = "grpcs://" + server.at("localhost");
        expectFailure(askKms(trusting(endpoint, other.certificate())), ErrorCode::KmsUnreachable,
                      false, HasSubstr("no authority in caFile"));
        expectFailure(askKms(sealRequest(endpoint)), ErrorCode::KmsUnreachable, false,
                      HasSubstr("no authority known to this system"));
    }
    {
        const ServerProcess server(tls(ca_.issue("elsewhere", "DNS:elsewhere.example")));
        for (const char *host : {"localhost", "127.0.0.1"})
            expectFailure(askKms(trusting("grpcs://" + server.at(host), ca_.certificate())),
                          ErrorCode::KmsUnreachable, false,
                          HasSubstr(std::string("not for the name ") + host));
    }
    {
        const ServerProcess server(tls(ca_.issue("expired", kNames, -1)));
        expectFailure(askKms(trusting("grpcs://" + server.at("localhost"), ca_.certificate())),
                      ErrorCode::KmsUnreachable, true, HasSubstr("expired certificate"));
    }
}

TEST_F(KmsClientTest, ShowsItsOwnCertificate) {
    const Authority other(directory_, "other");
    const Identity client = ca_.issue("client", "DNS:client");
    const Identity stranger = other.issue("stranger", "DNS:client");
    const ServerProcess server(
        tls(ca_.issue("server", kNames), {"--client-ca", ca_.certificate()}));
    const std::string endpoint = "grpcs://" + server.at("localhost");
    EXPECT_THAT(askKms(as(trusting(endpoint, ca_.certificate()), client)), IsOk());
    expectFailure(askKms(trusting(endpoint, ca_.certificate())), ErrorCode::KmsRejected, false,
                  HasSubstr("asks for a client certificate"));
    expectFailure(askKms(as(trusting(endpoint, ca_.certificate()), stranger)),
                  ErrorCode::KmsRejected, false, HasSubstr("does not accept the client"));
    const Identity mixed{.certificate = client.certificate, .key = stranger.key};
    expectFailure(askKms(as(trusting(endpoint, ca_.certificate()), mixed)),
                  ErrorCode::InvalidConfig, false, HasSubstr("with the declared certificates"));
}

TEST_F(KmsClientTest, WantsReadableCertificates) {
    const std::string text = directory_.write("text", "no certificate\n");
    base::KmsRequest request = trusting("grpcs://localhost:1", directory_.file("absent"));
    expectFailure(askKms(request), ErrorCode::InvalidConfig, false,
                  AllOf(HasSubstr("caFile"), HasSubstr("absent")));
    request.caFile = text;
    expectFailure(askKms(request), ErrorCode::InvalidConfig, false,
                  AllOf(HasSubstr("caFile"), HasSubstr("PEM")));
    const Identity half{.certificate = ca_.certificate(), .key = text};
    expectFailure(askKms(as(trusting("grpcs://localhost:1", ca_.certificate()), half)),
                  ErrorCode::InvalidConfig, false, HasSubstr("clientKeyFile"));
}

TEST_F(KmsClientTest, TellsRefusalsOfTheServer) {
    const ServerProcess server(plain());
    const std::string endpoint = server.at("127.0.0.1");
    base::KmsRequest request = sealRequest(endpoint);
    for (const std::string &node : {std::string(), std::string(65, 'n')}) {
        request.node = node;
        expectFailure(askKms(request), ErrorCode::KmsRejected, false,
                      HasSubstr("UUID is empty or too long"));
    }
    const base::SecretBuffer foreign(60);
    expectFailure(askKms(unsealRequest(endpoint, foreign)), ErrorCode::KmsRejected, false,
                  HasSubstr("was not made with this node's key"));
}

TEST_F(KmsClientTest, GivesUpOnABlackHole) {
    const BlackHole hole(BlackHole::Kind::Silent);
    const BlackHole full(BlackHole::Kind::Full);
    for (const unsigned port : {hole.port(), full.port()}) {
        for (const char *scheme : {"grpc://", "grpcs://"}) {
            base::KmsRequest request =
                sealRequest(scheme + std::string("127.0.0.1:") + std::to_string(port));
            if (scheme == std::string("grpcs://")) request.caFile = ca_.certificate();
            request.timeoutMs = 700;
            const auto begin = std::chrono::steady_clock::now();
            expectFailure(askKms(request), ErrorCode::KmsUnreachable, true,
                          HasSubstr("did not answer within 1 s"));
            EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(4));
        }
    }
}

TEST_F(KmsClientTest, TellsWhyAServerCannotBeReached) {
    expectFailure(askKms(sealRequest("127.0.0.1:" + std::to_string(unusedPort()))),
                  ErrorCode::KmsUnreachable, true, HasSubstr("Connection refused"));
    expectFailure(askKms(sealRequest("no-such-host.invalid:4050")), ErrorCode::KmsUnreachable, true,
                  HasSubstr("cannot be found"));
    const ScriptedServer web("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    expectFailure(askKms(sealRequest("127.0.0.1:" + std::to_string(web.port()))),
                  ErrorCode::KmsUnreachable, true, HasSubstr("is a web server"));
    const ServerProcess server(plain());
    expectFailure(askKms(trusting("grpcs://" + server.at("localhost"), ca_.certificate())),
                  ErrorCode::KmsUnreachable, true, HasSubstr("does not speak TLS"));
}

TEST_F(KmsClientTest, SurvivesAnswersThatBreakOffAnywhere) {
    const ServerProcess server(plain());
    std::size_t failures = 0;
    for (std::size_t limit = 0; limit < 260; limit += 9) {
        const CuttingRelay relay(server.port(), limit);
        base::KmsRequest request = sealRequest("127.0.0.1:" + std::to_string(relay.port()));
        request.timeoutMs = 3000;
        const auto answer = askKms(request);
        if (answer) {
            EXPECT_EQ(answer->size(), 60U) << limit;
            continue;
        }
        ++failures;
        EXPECT_EQ(answer.error().code, ErrorCode::KmsUnreachable)
            << limit << " " << answer.error().message;
        EXPECT_TRUE(answer.error().retry) << limit;
        EXPECT_THAT(answer.error().message, Not(HasSubstr("did not answer"))) << limit;
    }
    EXPECT_GT(failures, 10U);
}

TEST_F(KmsClientTest, BoundsWhatAServerMaySay) {
    for (const char *mode : {"huge", "gigantic"}) {
        const ServerProcess server(faultServer(mode));
        expectFailure(askKms(sealRequest(server.at("127.0.0.1"))), ErrorCode::KmsRejected, false,
                      HasSubstr("too long for a key"));
    }
    const ServerProcess hostile(faultServer("hostile"));
    const auto answer = askKms(sealRequest(hostile.at("127.0.0.1")));
    expectFailure(answer, ErrorCode::KmsRejected, false, HasSubstr("line break"));
    EXPECT_LT(answer.error().message.size(), 600U);
    for (const char c : answer.error().message) EXPECT_GE(static_cast<unsigned char>(c), 0x20);
    const ServerProcess slow(faultServer("slow"));
    base::KmsRequest request = sealRequest(slow.at("127.0.0.1"));
    request.timeoutMs = 500;
    expectFailure(askKms(request), ErrorCode::KmsUnreachable, true, HasSubstr("did not answer"));
    const ServerProcess dying(faultServer("die"));
    expectFailure(askKms(sealRequest(dying.at("127.0.0.1"))), ErrorCode::KmsUnreachable, true,
                  testing::A<const std::string &>());
}

TEST_F(KmsClientTest, GoesThroughAProxyExceptToThisMachine) {
    // It refuses to connect anybody: who asked it has that answer.
    const ScriptedServer proxy("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
    const std::string address = "127.0.0.1:" + std::to_string(proxy.port());
    for (const std::string &variable : {"HTTPS_PROXY=http://" + address, "https_proxy=" + address})
        expectFailure(askKms(sealRequest("kms.invalid:4050"), {variable}),
                      ErrorCode::KmsUnreachable, true, HasSubstr("403"));
    EXPECT_THAT(askKms(sealRequest("kms.invalid:4050"),
                       {"HTTPS_PROXY=http://" + address, "NO_PROXY=other,.invalid"}),
                FailsWith(ErrorCode::KmsUnreachable, HasSubstr("cannot be found")));
    const ServerProcess server(plain());
    EXPECT_THAT(askKms(sealRequest(server.at("localhost")), {"HTTPS_PROXY=http://" + address}),
                IsOk());
}

}  // namespace
}  // namespace volumecrypt::test
