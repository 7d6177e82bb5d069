// SPDX-License-Identifier: Apache-2.0
// The pure parts of the KMS client: messages between the programs, endpoints, failures.
#include <gtest/gtest.h>

#include "base/envelope.h"
#include "base/kms_message.h"
#include "kms/endpoint.h"
#include "kms/failure.h"
#include "support/result_matchers.h"

namespace volumecrypt::test {
namespace {

using base::Envelope;
using base::ErrorCode;
using base::SecretBuffer;
using testing::HasSubstr;

std::string textOf(const SecretBuffer &bytes) {
    return {bytes.chars(), bytes.size()};
}

TEST(Envelope, HasAHeadOfLinesAndThenTheData) {
    Envelope envelope{.fields = {{"b", "two words"}, {"a-b", ""}},
                      .data = SecretBuffer::copyOf(std::string_view("x\n\0y", 4))};
    const auto bytes = envelope.encode();
    ASSERT_THAT(bytes, IsOk());
    EXPECT_EQ(textOf(*bytes), std::string("a-b \nb two words\ndata 4\nx\n\0y", 28));
    const auto back = Envelope::decode(*bytes);
    ASSERT_THAT(back, IsOk());
    EXPECT_EQ(back->fields, envelope.fields);
    EXPECT_TRUE(back->data == envelope.data);
    EXPECT_EQ(back->field("absent"), "");
}

TEST(Envelope, TakesNothingElse) {
    for (const char *text :
         {"", "a b", "a b\n", "data 1\n", "data 2\nx", "data 0\nx", "data x\n", "data -1\n",
          "data 99999999999999999999\n", "a\ndata 0\n", "A b\ndata 0\n", "a b\na c\ndata 0\n",
          "a \tb\ndata 0\n", " b\ndata 0\n", "data \n"})
        EXPECT_THAT(Envelope::decode(SecretBuffer::copyOf(std::string_view(text))),
                    FailsWith(ErrorCode::Internal))
            << text;
    for (const auto &[name, value] :
         {std::pair{"data", "x"}, std::pair{"a b", "x"}, std::pair{"a", "x\ny"}}) {
        Envelope envelope;
        envelope.fields.emplace(name, value);
        EXPECT_THAT(envelope.encode(), FailsWith(ErrorCode::Internal)) << name;
    }
}

TEST(KmsMessage, RequestsComeBack) {
    base::KmsRequest request{.operation = base::KmsOperation::Seal,
                             .endpoint = "grpcs://kms:1",
                             .node = "node",
                             .caFile = "/a b",
                             .clientCertFile = "",
                             .clientKeyFile = "/k",
                             .timeoutMs = 1234,
                             .data = SecretBuffer::copyOf(std::string_view("secret"))};
    const auto bytes = base::encodeKmsRequest(request);
    ASSERT_THAT(bytes, IsOk());
    const auto back = base::decodeKmsRequest(*bytes);
    ASSERT_THAT(back, IsOk());
    EXPECT_EQ(back->operation, base::KmsOperation::Seal);
    EXPECT_EQ(back->endpoint, request.endpoint);
    EXPECT_EQ(back->node, request.node);
    EXPECT_EQ(back->caFile, request.caFile);
    EXPECT_EQ(back->clientCertFile, "");
    EXPECT_EQ(back->clientKeyFile, "/k");
    EXPECT_EQ(back->timeoutMs, 1234);
    EXPECT_TRUE(back->data == request.data);
    request.endpoint = "two\nlines";
    EXPECT_THAT(base::encodeKmsRequest(request), FailsWith(ErrorCode::Internal));
    for (const char *text :
         {"operation burn\ntimeout 1\ndata 0\n", "operation seal\ndata 0\n",
          "operation seal\ntimeout 0\ndata 0\n", "operation seal\ntimeout 1x\ndata 0\n"})
        EXPECT_THAT(base::decodeKmsRequest(SecretBuffer::copyOf(std::string_view(text))),
                    FailsWith(ErrorCode::Internal))
            << text;
}

TEST(KmsMessage, AnswersComeBack) {
    const auto good = base::encodeKmsAnswer(SecretBuffer::copyOf(std::string_view("key")));
    ASSERT_THAT(good, IsOk());
    const auto key = base::decodeKmsAnswer(*good);
    ASSERT_THAT(key, IsOk());
    EXPECT_EQ(textOf(*key), "key");
    base::Error error(ErrorCode::KmsUnreachable, "line\nbreak", "wait");
    error.retry = true;
    const auto bad = base::encodeKmsAnswer(base::fail(error));
    ASSERT_THAT(bad, IsOk());
    const auto back = base::decodeKmsAnswer(*bad);
    ASSERT_THAT(back, FailsWith(ErrorCode::KmsUnreachable, "line break"));
    EXPECT_EQ(back.error().hint, "wait");
    EXPECT_TRUE(back.error().retry);
    EXPECT_THAT(
        base::decodeKmsAnswer(SecretBuffer::copyOf(std::string_view("status strange\ndata 0\n"))),
        FailsWith(ErrorCode::Internal));
}

TEST(KmsEndpoint, IsReadAsTalosReadsIt) {
    struct Case {
        const char *text;
        bool tls;
        const char *authority;
    };
    for (const Case &wanted :
         {Case{"kms:4050", false, "kms:4050"}, Case{"grpc://kms:4050", false, "kms:4050"},
          Case{"GRPC://kms", false, "kms:443"}, Case{"grpcs://kms", true, "kms:443"},
          Case{"https://kms/path:1?q", true, "kms:443"}, Case{"http://kms:80", true, "kms:80"},
          Case{"grpcs://10.0.0.1:1", true, "10.0.0.1:1"},
          Case{"grpcs://[fd00::1]:1", true, "[fd00::1]:1"},
          Case{"[fd00::1]", false, "[fd00::1]:443"},
          // The first interface of every machine.
          Case{"grpcs://[fe80::1%lo]:1", true, "[fe80::1%251]:1"},
          Case{"grpcs://[fe80::1%25lo]:1", true, "[fe80::1%251]:1"},
          Case{"grpcs://[fe80::1%7]:1", true, "[fe80::1%257]:1"},
          Case{"grpcs://[fe80::1%25]:1", true, "[fe80::1%2525]:1"}}) {
        const auto endpoint = kms::parseEndpoint(wanted.text);
        ASSERT_THAT(endpoint, IsOk()) << wanted.text;
        EXPECT_EQ(endpoint->tls, wanted.tls) << wanted.text;
        EXPECT_EQ(endpoint->authority(), wanted.authority) << wanted.text;
    }
    for (const char *text : {"", "grpcs://", "grpcs://:1", "kms:", "kms:0", "kms:65536", "kms:1x",
                             "[fd00::1", "[fd00::1]1", "fd00::1"})
        EXPECT_THAT(kms::parseEndpoint(text), FailsWith(ErrorCode::InvalidConfig)) << text;
    for (const char *text : {"fd00::1", "grpcs://2001:db8::1:4050", "fe80::1%lo", "[]:1"})
        EXPECT_THAT(kms::parseEndpoint(text), FailsWith(ErrorCode::InvalidConfig)) << text;
    EXPECT_THAT(kms::parseEndpoint("grpcs://2001:db8::1:4050"),
                FailsWith(ErrorCode::InvalidConfig, HasSubstr("needs brackets")));
    for (const char *text : {"[fe80::1%none0]:1", "[fe80::1%]:1"}) {
        const auto endpoint = kms::parseEndpoint(text);
        ASSERT_THAT(endpoint,
                    FailsWith(ErrorCode::KmsUnreachable, HasSubstr("no network interface")));
        EXPECT_TRUE(endpoint.error().retry);
    }
}

TEST(KmsFailure, SaysWhetherToTryAgain) {
    struct Case {
        int status;
        const char *message;
        ErrorCode code;
        bool retry;
        const char *words;
    };
    for (const Case &wanted : {
             Case{1, "gone", ErrorCode::KmsUnreachable, true, "failed to answer: gone"},
             Case{2, "who?", ErrorCode::KmsRejected, false, "refuses node N: who?"},
             Case{2, "Stream removed", ErrorCode::KmsUnreachable, true, "broke off"},
             Case{3, "bad", ErrorCode::KmsRejected, false, "refuses node N: bad"},
             Case{4, "", ErrorCode::KmsUnreachable, true, "did not answer within 2 s"},
             Case{5, "no", ErrorCode::KmsRejected, false, "refuses node N"},
             Case{7, "no", ErrorCode::KmsRejected, false, "refuses node N"},
             Case{8, "Received message larger than max", ErrorCode::KmsRejected, false, "too long"},
             Case{8, "busy", ErrorCode::KmsUnreachable, true, "overloaded"},
             Case{12, "", ErrorCode::KmsRejected, false, "does not know"},
             Case{13, "oops", ErrorCode::KmsUnreachable, true, "failed to answer"},
             Case{14, "Socket closed", ErrorCode::KmsUnreachable, true, "broke off"},
             Case{14, "failed to connect to all addresses; last error: X: Connection refused",
                  ErrorCode::KmsUnreachable, true, "cannot be reached: Connection refused"},
             Case{16, "who", ErrorCode::KmsRejected, false, "refuses node N"},
         }) {
        const base::Error error = kms::kmsError({.endpoint = "E",
                                                 .host = "h",
                                                 .node = "N",
                                                 .timeoutMs = 1500,
                                                 .status = wanted.status,
                                                 .message = wanted.message,
                                                 .finding = {}});
        EXPECT_EQ(error.code, wanted.code) << wanted.status << wanted.message;
        EXPECT_EQ(error.retry, wanted.retry) << wanted.status << wanted.message;
        EXPECT_THAT(error.message, testing::StartsWith("the KMS E "));
        EXPECT_THAT(error.message, HasSubstr(wanted.words));
        EXPECT_NE(error.hint, "");
    }
}

TEST(KmsFailure, TellsWhatIsWrongWithACertificate) {
    using kms::TlsFault;
    struct Case {
        TlsFault fault;
        bool retry;
        const char *words;
    };
    for (const Case &wanted : {Case{TlsFault::UnknownAuthority, false, "no authority"},
                               Case{TlsFault::WrongName, false, "not for the name h"},
                               Case{TlsFault::Expired, true, "expired"},
                               Case{TlsFault::NotYetValid, true, "not valid yet"},
                               Case{TlsFault::Other, false, "cannot be accepted"}}) {
        const base::Error error =
            kms::kmsError({.endpoint = "E",
                           .host = "h",
                           .node = "N",
                           .status = 14,
                           .message = "failed to connect to all addresses; last error: X: Y",
                           .finding = kms::TlsFinding{.fault = wanted.fault, .detail = "words"}});
        EXPECT_EQ(error.code, ErrorCode::KmsUnreachable);
        EXPECT_EQ(error.retry, wanted.retry);
        EXPECT_THAT(error.message, HasSubstr(wanted.words));
        EXPECT_THAT(error.message, HasSubstr("(words)"));
    }
}

}  // namespace
}  // namespace volumecrypt::test
