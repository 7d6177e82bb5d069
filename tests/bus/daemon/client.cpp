// SPDX-License-Identifier: Apache-2.0
// sdbus-c++ without an event loop: messages are handled where the test waits.
#include "client.h"

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <stdexcept>
#include <utility>

#include <sys/wait.h>

#include <fcntl.h>
#include <poll.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

namespace volumecrypt::test {

void PrintTo(const Answer &answer, std::ostream *out) {
    *out << (answer.ok() ? "success" : answer.error + ": " + answer.message);
}

Answer answerOf(const sdbus::Error &error) {
    const std::string prefix = "org.example.VolumeCrypt.Error.";
    std::string name = error.getName();
    if (name.starts_with(prefix)) name.erase(0, prefix.size());
    return {.error = name, .message = error.getMessage()};
}

std::string volumePath(const std::string &id) {
    char *path = nullptr;
    if (sd_bus_path_encode("/org/example/VolumeCrypt/volume", id.c_str(), &path) < 0)
        throw std::runtime_error("sd_bus_path_encode");
    std::string text(path);
    std::free(path);
    return text;
}

Answer Client::attempt(const std::function<void()> &function) {
    try {
        function();
        return {};
    } catch (const sdbus::Error &error) {
        return answerOf(error);
    }
}

sdbus::IProxy &Client::proxy(const std::string &path) {
    auto &proxy = proxies_[path];
    if (!proxy) proxy = bus::makeProxy(*connection_, kName, path);
    return *proxy;
}

void Client::listen() {
    const std::string common = "type='signal',sender='org.example.VolumeCrypt',";
    matches_.push_back(bus::addMatch(
        *connection_, common + "interface='org.example.VolumeCrypt.Job',member='Finished'",
        [this](sdbus::Message &signal) {
            auto &finished = finished_[signal.getPath()];
            signal >> finished.success >> finished.error >> finished.message;
            finished.seen = true;
        }));
    matches_.push_back(bus::addMatch(*connection_, common + "member='PropertiesChanged'",
                                     [this](sdbus::Message &signal) {
                                         std::string interface;
                                         Options values;
                                         signal >> interface >> values;
                                         for (const auto &[name, value] : values)
                                             changes_.emplace(signal.getPath(), name);
                                     }));
    matches_.push_back(bus::addMatch(*connection_, common + "member='InterfacesAdded'",
                                     [this](sdbus::Message &signal) {
                                         sdbus::ObjectPath path;
                                         signal >> path;
                                         added_.push_back(path);
                                     }));
    matches_.push_back(bus::addMatch(*connection_, common + "member='InterfacesRemoved'",
                                     [this](sdbus::Message &signal) {
                                         sdbus::ObjectPath path;
                                         signal >> path;
                                         removed_.push_back(path);
                                     }));
}

bool Client::waitFor(const std::function<bool()> &condition, int seconds) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
    while (!condition()) {
        if (std::chrono::steady_clock::now() > end) return false;
        if (bus::processOne(*connection_)) continue;
        const auto data = connection_->getEventLoopPollData();
        pollfd descriptor{.fd = data.fd, .events = data.events, .revents = 0};
        ::poll(&descriptor, 1, 20);
    }
    return true;
}

Finished Client::finished(const std::string &job, int seconds) {
    waitFor([&] { return finished_[job].seen; }, seconds);
    return finished_[job];
}

OtherUser::OtherUser(uid_t uid, const std::function<std::string(Client &)> &function) {
    int ends[2] = {-1, -1};
    if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("pipe");
    pid_ = ::fork();
    if (pid_ == 0) {
        ::close(ends[0]);
        std::string text = "cannot change user";
        if (::setresgid(uid, uid, uid) == 0 && ::setresuid(uid, uid, uid) == 0) {
            try {
                Client client;
                text = function(client);
            } catch (const std::exception &exception) {
                text = exception.what();
            }
        }
        const auto written = ::write(ends[1], text.data(), text.size());
        ::_exit(written == static_cast<ssize_t>(text.size()) ? 0 : 1);
    }
    ::close(ends[1]);
    answer_ = ends[0];
}

OtherUser::OtherUser(OtherUser &&other) noexcept
    : pid_(std::exchange(other.pid_, -1)), answer_(std::exchange(other.answer_, -1)) {}

OtherUser::~OtherUser() {
    if (answer_ >= 0) ::close(answer_);
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
}

bool OtherUser::answered(std::chrono::milliseconds wait) const {
    pollfd answer{.fd = answer_, .events = POLLIN, .revents = 0};
    return ::poll(&answer, 1, static_cast<int>(wait.count())) > 0;
}

std::string OtherUser::answer() {
    std::string text;
    char chunk[4096];
    for (auto got = ::read(answer_, chunk, sizeof chunk); got > 0;
         got = ::read(answer_, chunk, sizeof chunk))
        text.append(chunk, static_cast<std::size_t>(got));
    ::waitpid(std::exchange(pid_, -1), nullptr, 0);
    return text;
}

std::string asUser(uid_t uid, const std::function<std::string(Client &)> &function) {
    return OtherUser(uid, function).answer();
}

}  // namespace volumecrypt::test
