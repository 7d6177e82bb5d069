// SPDX-License-Identifier: Apache-2.0
// One thread that answers the bus; what a unit does is done before its job's end is told.
#include "fake_systemd.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <system_error>
#include <utility>

#include <sys/wait.h>

#include <fcntl.h>
#include <spawn.h>
#include <unistd.h>

#include "support/process.h"

namespace volumecrypt::test {
namespace {

namespace fs = std::filesystem;

constexpr const char *kSystemdPath = "/org/freedesktop/systemd1";
constexpr const char *kSystemdManager = "org.freedesktop.systemd1.Manager";
constexpr const char *kDone = "done";
constexpr const char *kFailed = "failed";

std::string fileText(const std::string &path) {
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

void replaceFile(const std::string &path, const std::string &text) {
    fs::create_directories(fs::path(path).parent_path());
    std::ofstream(path + ".new") << text;
    fs::rename(path + ".new", path);
}

// "u-a" of "volumecrypt@u-a.service"; empty when it is none of those.
std::string instanceOf(const std::string &unit, const std::string &prefix) {
    constexpr std::string_view kEnd = ".service";
    if (!unit.starts_with(prefix) || !unit.ends_with(kEnd)) return {};
    return unit.substr(prefix.size(), unit.size() - prefix.size() - kEnd.size());
}

std::vector<std::string> listOf(const std::string &text) {
    std::vector<std::string> parts;
    std::istringstream stream(text);
    for (std::string part; std::getline(stream, part, ',');) parts.push_back(part);
    return parts;
}

// As the kernel shows them. A remount keeps how access times are written.
std::string kernelOptions(const std::string &unitOptions, const std::string &before) {
    const auto wanted = listOf(unitOptions);
    const auto has = [](const std::vector<std::string> &list, const char *option) {
        return std::find(list.begin(), list.end(), option) != list.end();
    };
    std::string options = has(wanted, "ro") ? "ro" : "rw";
    for (const char *flag : {"nosuid", "nodev", "noexec"})
        if (has(wanted, flag)) options += std::string(",") + flag;
    const bool says = has(wanted, "noatime") || has(wanted, "relatime");
    const bool none = has(wanted, "noatime") || (!says && has(listOf(before), "noatime"));
    return options + (none ? ",noatime" : ",relatime");
}

}  // namespace

FakeSystemd::FakeSystemd(std::string folder)
    : folder_(std::move(folder)),
      connection_(sdbus::createSystemBusConnection(bus::ServiceName("org.freedesktop.systemd1"))),
      object_(*connection_, kSystemdPath) {
    writeMounts();
    registerMethods();
    connection_->enterEventLoopAsync();
}

FakeSystemd::~FakeSystemd() {
    connection_->leaveEventLoop();
}

void FakeSystemd::registerMethods() {
    const auto on = [this](const char *method, const char *verb) {
        object_.method(
            kSystemdManager, method,
            [this, verb](PathResult &&result, const std::string &unit, const std::string &) {
                change(std::move(result), verb, unit);
            });
    };
    on("StartUnit", "start");
    on("StopUnit", "stop");
    on("ReloadUnit", "reload");
    object_.method(kSystemdManager, "ResetFailedUnit",
                   [this](const std::string &unit) { note("reset " + unit); });
    object_.method(kSystemdManager, "Reload", [this] {
        note("reload");
        generate();
    });
    object_.method(kSystemdManager, "Subscribe", [] {});
    object_.method(kSystemdManager, "StartTransientUnit",
                   [this](PathResult &&result, const std::string &unit, const std::string &,
                          const Properties &properties,
                          const std::vector<sdbus::Struct<std::string, Properties>> &) {
                       runTransient(std::move(result), unit, properties);
                   });
    object_.signal<std::uint32_t, sdbus::ObjectPath, std::string, std::string>(kSystemdManager,
                                                                               "JobRemoved");
    object_.signal<std::string, sdbus::ObjectPath>(kSystemdManager, "UnitRemoved");
    object_.publish();
}

void FakeSystemd::note(const std::string &call) {
    const std::lock_guard lock(mutex_);
    calls_.push_back(call);
}

std::vector<std::string> FakeSystemd::calls() const {
    const std::lock_guard lock(mutex_);
    return calls_;
}

void FakeSystemd::forgetCalls() {
    const std::lock_guard lock(mutex_);
    calls_.clear();
}

void FakeSystemd::fail(const std::string &call) {
    const std::lock_guard lock(mutex_);
    failing_.insert(call);
}

void FakeSystemd::activate(const std::string &attachUnit) {
    const std::lock_guard lock(mutex_);
    active_.insert(attachUnit);
}

std::string FakeSystemd::mountedWith(const std::string &where) const {
    const std::lock_guard lock(mutex_);
    const auto found = mounts_.find(where);
    return found == mounts_.end() ? std::string() : found->second.options;
}

void FakeSystemd::mountOther(const std::string &where, const std::string &source,
                             const std::string &number) {
    const std::lock_guard lock(mutex_);
    mounts_[where] = {.number = number, .type = "ext4", .source = source, .options = "rw,relatime"};
    writeMounts();
}

void FakeSystemd::mount(const std::string &unit) {
    const std::lock_guard lock(mutex_);
    if (start(unit) != kDone) throw std::runtime_error("there is no unit " + unit);
}

std::string FakeSystemd::generated(const std::string &name) const {
    return folder_ + "/root/run/systemd/generator/" + name;
}

void FakeSystemd::generate() const {
    fs::remove_all(generated(""));
    fs::create_directories(generated(""));
    (void)Process{.argv = {GENERATOR_PROGRAM, "--root", folder_ + "/root", "--config-dir",
                           folder_ + "/config", generated("")},
                  .input = {},
                  .secret = {}}
        .run();
}

std::map<std::string, std::string> FakeSystemd::readUnit(const std::string &unit) const {
    std::map<std::string, std::string> values;
    std::istringstream lines(fileText(generated(unit)));
    for (std::string line; std::getline(lines, line);)
        if (const auto equals = line.find('='); equals != std::string::npos)
            values[line.substr(0, equals)] = line.substr(equals + 1);
    return values;
}

void FakeSystemd::writeMounts() const {
    std::string text = "20 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n";
    std::map<std::string, int> numbers;
    int next = 21;
    // The upper come before the lower.
    for (const auto &[where, mount] : mounts_) {
        int parent = 20;
        for (const auto &[above, number] : numbers)
            if (where.starts_with(above + "/")) parent = number;
        numbers[where] = next;
        text += std::to_string(next++) + " " + std::to_string(parent) + " " + mount.number + " / " +
                where + " " + mount.options + " - " + mount.type + " " + mount.source + " rw\n";
    }
    for (const char *process : {"self", "1"})
        replaceFile(folder_ + "/root/proc/" + process + "/mountinfo", text);
}

// As the engine does it itself at boot: its last line is in a file.
std::string FakeSystemd::runEngine(const std::string &verb, const std::string &id) const {
    const ProcessResult result =
        Process{.argv = {folder_ + "/engine", verb, id}, .input = {}, .secret = {}}.run();
    std::string last;
    std::istringstream lines(result.out);
    for (std::string line; std::getline(lines, line);) last = line;
    replaceFile(folder_ + "/root/run/volumecrypt/outcome/" + id + "." + verb + ".json",
                last + "\n");
    return result.exitCode == 0 ? kDone : kFailed;
}

std::string FakeSystemd::start(const std::string &unit) {
    if (const auto id = instanceOf(unit, "volumecrypt-sync@"); !id.empty())
        return runEngine("sync", id);
    if (const auto id = instanceOf(unit, "volumecrypt@"); !id.empty()) {
        if (active_.contains(unit)) return kDone;
        if (runEngine("attach", id) != kDone) return kFailed;
        active_.insert(unit);
        return kDone;
    }
    const auto values = readUnit(unit);
    if (values.empty()) return kFailed;
    const std::string &where = values.at("Where");
    if (mounts_.contains(where)) return kDone;
    const std::string source = values.at("What");
    std::string number;
    std::error_code ignored;
    for (const auto &entry : fs::directory_iterator(folder_ + "/root/sys/class/block", ignored))
        if ("/dev/mapper/" + fileText(entry.path() / "dm/name") == source + "\n")
            number = fileText(entry.path() / "dev");
    number = number.substr(0, number.find('\n'));
    const bool plain = number.empty() || values.at("Type") == "btrfs";
    mounts_[where] = {.number = plain ? "0:99" : number,
                      .type = values.at("Type"),
                      .source = source,
                      .options = kernelOptions(values.at("Options"), "")};
    writeMounts();
    return kDone;
}

std::string FakeSystemd::stop(const std::string &unit) {
    if (const auto id = instanceOf(unit, "volumecrypt@"); !id.empty()) {
        active_.erase(unit);
        return runEngine("detach", id);
    }
    const auto values = readUnit(unit);
    if (!values.contains("Where")) return kDone;
    mounts_.erase(values.at("Where"));
    writeMounts();
    return kDone;
}

std::string FakeSystemd::remount(const std::string &unit) {
    const auto values = readUnit(unit);
    const auto found = values.contains("Where") ? mounts_.find(values.at("Where")) : mounts_.end();
    if (found == mounts_.end()) return kFailed;
    found->second.options = kernelOptions(values.at("Options"), found->second.options);
    writeMounts();
    return kDone;
}

void FakeSystemd::change(PathResult &&result, const char *verb, const std::string &unit) {
    const std::string call = std::string(verb) + " " + unit;
    note(call);
    const sdbus::ObjectPath job(std::string(kSystemdPath) + "/job/" + std::to_string(++jobs_));
    result.returnResults(job);
    std::string end = kFailed;
    if (const std::lock_guard lock(mutex_); !failing_.contains(call)) {
        if (call.starts_with("start")) end = start(unit);
        if (call.starts_with("stop")) end = stop(unit);
        if (call.starts_with("reload")) end = remount(unit);
    }
    object_.object()
        .emitSignal("JobRemoved")
        .onInterface(kSystemdManager)
        .withArguments(jobs_, job, unit, end);
}

void FakeSystemd::runTransient(PathResult &&result, const std::string &unit,
                               const Properties &properties) {
    using Command = sdbus::Struct<std::string, std::vector<std::string>, bool>;
    std::vector<std::string> argv;
    sdbus::UnixFd input(::open("/dev/null", O_RDONLY | O_CLOEXEC), sdbus::adopt_fd);
    sdbus::UnixFd output;
    for (const auto &property : properties) {
        const std::string &name = property.get<0>();
        const sdbus::Variant &value = property.get<1>();
        if (name == "ExecStart") argv = value.get<std::vector<Command>>().at(0).get<1>();
        if (name == "StandardInputFileDescriptor") input = value.get<sdbus::UnixFd>();
        if (name == "StandardOutputFileDescriptor") output = value.get<sdbus::UnixFd>();
    }
    result.returnResults(sdbus::ObjectPath(std::string(kSystemdPath) + "/job/1"));
    std::vector<char *> pointers;
    for (auto &argument : argv) pointers.push_back(argument.data());
    pointers.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, input.get(), STDIN_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions, output.get(), STDOUT_FILENO);
    pid_t child = -1;
    if (::posix_spawn(&child, pointers[0], &actions, nullptr, pointers.data(), environ) == 0)
        ::waitpid(child, nullptr, 0);
    ::posix_spawn_file_actions_destroy(&actions);
    object_.object()
        .emitSignal("UnitRemoved")
        .onInterface(kSystemdManager)
        .withArguments(unit, sdbus::ObjectPath(kSystemdPath));
}

}  // namespace volumecrypt::test
