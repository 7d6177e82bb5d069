// SPDX-License-Identifier: Apache-2.0
// A TPM interface that goes wrong once: commands come on stdin (tpm2-tss' `cmd` TCTI), go to
// swtpm's socket, and answers go to stdout, except the one for the N-th command.
//
// tpm-proxy SOCKET N MODE [COUNTER [TRAFFIC]]: MODE is
//   refuse   the TPM does not get the command; the answer is TPM_RC_FAILURE
//   fail     the TPM does what it is told; the answer is TPM_RC_FAILURE
//   noise    the answer's bytes after the header are something else
//   short    the answer ends after its header
//   header   the whole answer is something else, of the right length
//   close    no answer, and the interface is gone
//   silence  no answer
//   no-ecc   nothing goes wrong; the TPM has no elliptic curves
// COUNTER is a file that gets the number of commands, TRAFFIC one that gets all bytes.
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <string>

#include <sys/socket.h>
#include <sys/un.h>

#include <unistd.h>

namespace {

constexpr std::size_t kHeader = 10;

bool readAll(int fd, std::string &into, std::size_t size) {
    while (into.size() < size) {
        char buffer[4096];
        const std::size_t wanted = std::min(sizeof buffer, size - into.size());
        const ssize_t got = ::read(fd, buffer, wanted);
        if (got <= 0) return false;
        into.append(buffer, static_cast<std::size_t>(got));
    }
    return true;
}

std::uint32_t sizeIn(const std::string &header) {
    std::uint32_t size = 0;
    for (std::size_t i = 2; i < 6; ++i) size = size << 8U | static_cast<unsigned char>(header[i]);
    return size;
}

// A command or an answer.
bool readMessage(int fd, std::string &message) {
    message.clear();
    return readAll(fd, message, kHeader) && readAll(fd, message, sizeIn(message));
}

void writeAll(int fd, const std::string &bytes) {
    if (::write(fd, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) std::exit(1);
}

int connectTo(const std::string &path) {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    if (::connect(fd, reinterpret_cast<sockaddr *>(&address), sizeof address) != 0) std::exit(1);
    return fd;
}

// TPM2_GetCapability of the curves, after the header.
bool asksForCurves(const std::string &command) {
    return command.size() >= kHeader + 4 && command.compare(6, 8, "\0\0\x01\x7A\0\0\0\x08", 8) == 0;
}
// None of them.
const std::string kNoCurves("\x80\x01\0\0\0\x13\0\0\0\0\0\0\0\0\x08\0\0\0\0", 19);

const std::string kFailure("\x80\x01\x00\x00\x00\x0a\x00\x00\x01\x01", kHeader);

void goWrong(const std::string &mode, int tpm, const std::string &command) {
    std::string answer;
    if (mode == "close") std::exit(0);
    if (mode != "refuse") {
        writeAll(tpm, command);
        if (!readMessage(tpm, answer)) std::exit(1);
    }
    if (mode == "silence") return;
    if (mode == "refuse" || mode == "fail") answer = kFailure;
    if (mode == "short") {
        answer = answer.substr(0, kHeader);
        answer.replace(2, 4, std::string("\0\0\0\x0a", 4));
    }
    const std::size_t first = mode == "header" ? 0 : kHeader;
    if (mode == "noise" || mode == "header")
        for (std::size_t i = first; i < answer.size(); ++i)
            // The length stays, or who reads would wait for more.
            if (i < 2 || i > 5)
                answer[i] = static_cast<char>(answer[i] ^ static_cast<char>(0xA5 + i));
    writeAll(STDOUT_FILENO, answer);
}

}  // namespace

int main(int argc, char **argv) {
    if (argc < 4) return 64;
    const int tpm = connectTo(argv[1]);
    const int faulty = static_cast<int>(std::strtol(argv[2], nullptr, 10));
    const std::string mode = argv[3];
    int count = 0;
    for (std::string command, answer; readMessage(STDIN_FILENO, command);) {
        ++count;
        if (argc > 4) std::ofstream(argv[4]) << count;
        if (count == faulty) {
            goWrong(mode, tpm, command);
            continue;
        }
        if (mode == "no-ecc" && asksForCurves(command)) {
            writeAll(STDOUT_FILENO, kNoCurves);
            continue;
        }
        writeAll(tpm, command);
        if (!readMessage(tpm, answer)) return 1;
        if (argc > 5) std::ofstream(argv[5], std::ios::app | std::ios::binary) << command << answer;
        writeAll(STDOUT_FILENO, answer);
    }
    return 0;
}
