// SPDX-License-Identifier: Apache-2.0
// Certificates by openssl(1); servers as child processes.
#include "support/kms_place.h"

#include <csignal>
#include <cstdlib>
#include <string_view>
#include <utility>

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <fcntl.h>
#include <unistd.h>

#include "base/child_process.h"
#include "support/process.h"

namespace volumecrypt::test {
namespace {

void mustRun(std::vector<std::string> argv) {
    if ((Process{.argv = std::move(argv), .input = {}, .secret = {}}.run().exitCode) != 0)
        std::abort();
}

std::vector<std::string> newKey(std::vector<std::string> argv, const std::string &key,
                                const std::string &name) {
    for (const char *word : {"-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"})
        argv.emplace_back(word);
    argv.insert(argv.end(), {"-keyout", key, "-subj", "/CN=" + name});
    return argv;
}

std::string readLine(int fd) {
    std::string line;
    for (char c = 0; ::read(fd, &c, 1) == 1 && c != '\n';) line += c;
    return line;
}

[[noreturn]] void becomeServer(std::vector<std::string> &argv, int out, int err) {
    // Also when the test is killed.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::dup2(out, STDOUT_FILENO);
    ::dup2(err, STDERR_FILENO);
    std::vector<char *> pointers;
    for (auto &argument : argv) pointers.push_back(argument.data());
    pointers.push_back(nullptr);
    ::execv(pointers[0], pointers.data());
    ::_exit(127);
}

}  // namespace

Authority::Authority(const TempDir &directory, const std::string &name)
    : directory_(directory),
      certificate_(directory.file(name + ".pem")),
      key_(directory.file(name + ".key")) {
    mustRun(newKey({"openssl", "req", "-x509", "-days", "2", "-out", certificate_}, key_, name));
}

Identity Authority::issue(const std::string &name, const std::string &names, int days) const {
    Identity identity{.certificate = directory_.file(name + ".pem"),
                      .key = directory_.file(name + ".key")};
    const std::string request = directory_.file(name + ".csr");
    mustRun(newKey({"openssl", "req", "-out", request}, identity.key, name));
    const std::string extensions =
        directory_.write(name + ".ext", "subjectAltName=" + names + "\n");
    mustRun({"openssl", "x509", "-req", "-in", request, "-CA", certificate_, "-CAkey", key_,
             "-CAcreateserial", "-days", std::to_string(days), "-extfile", extensions, "-out",
             identity.certificate});
    return identity;
}

ServerProcess::ServerProcess(std::vector<std::string> argv) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) < 0) std::abort();
    log_ = ::memfd_create("log", MFD_CLOEXEC);
    pid_ = ::fork();
    if (pid_ == 0) becomeServer(argv, ends[1], log_);
    ::close(ends[1]);
    const std::string line = readLine(ends[0]);
    ::close(ends[0]);
    constexpr std::string_view prefix = "listening on ";
    if (line.starts_with(prefix))
        port_ = static_cast<unsigned>(std::atoi(line.substr(line.rfind(':') + 1).c_str()));
}

int ServerProcess::stop() {
    if (pid_ < 0) return -1;
    ::kill(pid_, SIGTERM);
    int status = 0;
    ::waitpid(std::exchange(pid_, -1), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

std::string ServerProcess::log() const {
    std::string text(static_cast<std::size_t>(::lseek(log_, 0, SEEK_END)), '\0');
    if (::pread(log_, text.data(), text.size(), 0) < 0) std::abort();
    return text;
}

std::vector<std::string> kmsServer(std::vector<std::string> options) {
    options.insert(options.begin(), {KMS_SERVER, "--listen", "127.0.0.1:0"});
    return options;
}

std::vector<std::string> faultServer(const std::string &mode) {
    return {KMS_FAULT_SERVER, mode};
}

base::Result<base::SecretBuffer> askKms(const base::KmsRequest &request,
                                        std::vector<std::string> environment) {
    VC_ASSIGN(const base::SecretBuffer message, base::encodeKmsRequest(request));
    VC_ASSIGN(const base::SecretOutcome outcome,
              base::runWithSecret({.argv = {KMS_CLIENT},
                                   .environment = std::move(environment),
                                   .limit = base::kLongestKmsMessage,
                                   .timeoutMs = request.timeoutMs + 5000},
                                  message));
    return base::decodeKmsAnswer(outcome.output);
}

base::KmsRequest sealRequest(const std::string &endpoint) {
    return {.operation = base::KmsOperation::Seal,
            .endpoint = endpoint,
            .node = kNode,
            .data = countingBytes()};
}

base::KmsRequest unsealRequest(const std::string &endpoint, const base::SecretBuffer &sealed) {
    return {.operation = base::KmsOperation::Unseal,
            .endpoint = endpoint,
            .node = kNode,
            .data = base::SecretBuffer::copyOf(sealed.bytes())};
}

base::SecretBuffer countingBytes() {
    base::SecretBuffer bytes(32);
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes.chars()[i] = static_cast<char>(i);
    return bytes;
}

}  // namespace volumecrypt::test
