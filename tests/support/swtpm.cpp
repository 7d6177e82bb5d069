// SPDX-License-Identifier: Apache-2.0
// Starting and stopping swtpm, and asking it by tpm2-tools.
#include "support/swtpm.h"

#include <chrono>
#include <csignal>
#include <filesystem>
#include <stdexcept>
#include <thread>

#include <sys/prctl.h>
#include <sys/wait.h>

#include <fcntl.h>
#include <unistd.h>

#include "support/listening.h"

namespace volumecrypt::test {
namespace {

[[noreturn]] void execute(const std::vector<std::string> &argv) {
    // A test that is killed must not leave its TPM running.
    (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int nowhere = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) (void)::dup2(nowhere, fd);
    std::vector<char *> arguments;
    arguments.reserve(argv.size() + 1);
    for (const std::string &argument : argv)
        arguments.push_back(const_cast<char *>(argument.c_str()));
    arguments.push_back(nullptr);
    ::execvp(arguments.front(), arguments.data());
    ::_exit(127);
}

}  // namespace

Swtpm::Swtpm() {
    start();
}

Swtpm::~Swtpm() {
    stop();
}

void Swtpm::start() {
    const std::string state = directory_.path() + "/state";
    std::filesystem::create_directories(state);
    process_ = ::fork();
    if (process_ < 0) throw std::runtime_error("fork");
    if (process_ == 0)
        execute({"swtpm", "socket", "--tpm2", "--tpmstate", "dir=" + state, "--server",
                 "type=unixio,path=" + socket(), "--ctrl", "type=unixio,path=" + socket() + ".ctrl",
                 "--flags", "not-need-init,startup-clear"});
    for (int tries = 0; !isListening(socket()) || !isListening(socket() + ".ctrl"); ++tries) {
        if (tries == 500 || ::waitpid(process_, nullptr, WNOHANG) != 0)
            throw std::runtime_error("swtpm did not start");
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    extend(7, "secure boot");
}

void Swtpm::stop() {
    (void)::kill(process_, SIGKILL);
    (void)::waitpid(process_, nullptr, 0);
    std::filesystem::remove(socket());
    std::filesystem::remove(socket() + ".ctrl");
}

void Swtpm::restart() {
    stop();
    start();
}

void Swtpm::clear() {
    stop();
    std::filesystem::remove_all(directory_.path() + "/state");
    start();
}

std::string Swtpm::tool(std::vector<std::string> argv) const {
    const std::string name = argv.front();
    const ProcessResult result = Process{
        .argv = std::move(argv),
        .input = {},
        .secret = {},
        .environment = {"TPM2TOOLS_TCTI=" +
                        tcti()}}.run();
    if (result.exitCode != 0) throw std::runtime_error(name + ": " + result.err);
    return result.out;
}

void Swtpm::extend(unsigned pcr, const std::string &text) const {
    const std::string file = directory_.write("extend", text);
    (void)tool({"tpm2_pcrevent", std::to_string(pcr), file});
}

std::string Swtpm::leftovers() const {
    return tool({"tpm2_getcap", "handles-transient"}) +
           tool({"tpm2_getcap", "handles-loaded-session"}) +
           tool({"tpm2_getcap", "handles-saved-session"});
}

}  // namespace volumecrypt::test
