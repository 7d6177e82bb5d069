// SPDX-License-Identifier: Apache-2.0
// StartTransientUnit with the secret as standard input and the job's file as standard output.
#include "bus/unit_launcher.h"

#include <cerrno>
#include <utility>

#include <sys/mount.h>

#include <syslog.h>
#include <unistd.h>

#include "model/key_files.h"

namespace volumecrypt::bus {
namespace {

using Property = BusSystemd::Property;
using Strings = std::vector<std::string>;

constexpr std::uint64_t kCapDacOverride = std::uint64_t{1} << 1;
constexpr std::uint64_t kCapKill = std::uint64_t{1} << 5;
constexpr std::uint64_t kCapSetgid = std::uint64_t{1} << 6;
constexpr std::uint64_t kCapSetuid = std::uint64_t{1} << 7;
constexpr std::uint64_t kCapSysAdmin = std::uint64_t{1} << 21;
constexpr std::uint64_t kCapSysResource = std::uint64_t{1} << 24;
// Of a bind mount.
constexpr std::uint64_t kWithMountsBelow = MS_REC;
// From SIGTERM, which an engine heeds at its next safe point, to SIGKILL.
constexpr std::uint64_t kStopMicroseconds = 90'000'000;

template <typename Value>
void set(std::vector<Property> &properties, const char *name, Value value) {
    properties.emplace_back(name, sdbus::Variant(std::move(value)));
}

void setText(std::vector<Property> &properties, const char *name, const char *value) {
    set(properties, name, std::string(value));
}

void addStreams(std::vector<Property> &properties, const daemon::EngineProcess &process) {
    if (process.input.valid())
        set(properties, "StandardInputFileDescriptor", sdbus::UnixFd(process.input.get()));
    else
        setText(properties, "StandardInput", "null");
    set(properties, "StandardOutputFileDescriptor", sdbus::UnixFd(process.output.get()));
    // It would inherit standard output otherwise, and spoil the lines there.
    setText(properties, "StandardError", "journal");
    setText(properties, "SyslogIdentifier", "volumecrypt-engine");
    // An engine logs what it does and why it failed, but does not know for whom.
    if (process.uid) {
        const std::string field = "CALLER_UID=" + std::to_string(*process.uid);
        set(properties, "LogExtraFields",
            std::vector<std::vector<std::uint8_t>>{{field.begin(), field.end()}});
    }
    // systemd keeps to it as well, with what it says of the unit: that it starts, and that it
    // ended.
    if (process.quiet) set(properties, "LogLevelMax", std::int32_t{LOG_WARNING});
}

// Of /home, /root and /run/user an engine sees what its volume names and nothing else; what is not
// there is the engine's to complain of.
void addHomeAccess(std::vector<Property> &properties, const daemon::EngineProcess &process) {
    using Bind = sdbus::Struct<std::string, std::string, bool, std::uint64_t>;
    const auto bindsFor = [](const std::vector<std::string> &files) {
        std::vector<Bind> binds;
        for (const auto &file : files)
            if (model::isBelowHome(file)) binds.emplace_back(file, file, true, kWithMountsBelow);
        return binds;
    };
    const auto writable = bindsFor(process.files);
    const auto readable = bindsFor(process.keyFiles);
    const bool any = !writable.empty() || !readable.empty();
    setText(properties, "ProtectHome", any ? "tmpfs" : "yes");
    if (!writable.empty()) set(properties, "BindPaths", writable);
    if (!readable.empty()) set(properties, "BindReadOnlyPaths", readable);
}

void addSandbox(std::vector<Property> &properties, const daemon::EngineProcess &process) {
    for (const char *name :
         {"NoNewPrivileges", "ProtectHostname", "ProtectClock", "ProtectKernelLogs",
          "ProtectKernelModules", "ProtectKernelTunables", "ProtectControlGroups",
          "RestrictRealtime", "RestrictSUIDSGID", "LockPersonality", "MemoryDenyWriteExecute"})
        set(properties, name, true);
    // Where udev gives /dev/tpmrm0 to a user of its own, root is nobody to it.
    const bool tpm = ::access("/sys/class/tpmrm", F_OK) == 0;
    // volumecrypt-kms becomes nobody, whom the engine can only end with the first.
    const std::uint64_t kms = process.network ? kCapKill | kCapSetgid | kCapSetuid : 0;
    const std::uint64_t resources = process.resources ? kCapSysResource : 0;
    set(properties, "CapabilityBoundingSet",
        kCapSysAdmin | kms | resources | (tpm ? kCapDacOverride : 0));
    setText(properties, "ProtectSystem", "strict");
    setText(properties, "ProtectProc", "invisible");
    // What attach knows before anything is mounted, and where earlier versions kept it.
    Strings writable{"/run", "-/etc/volumecrypt/state", "-/var/lib/volumecrypt"};
    for (const auto &file : process.files)
        if (!model::isBelowHome(file)) writable.push_back("-" + file);
    set(properties, "ReadWritePaths", writable);
    addHomeAccess(properties, process);
    setText(properties, "DevicePolicy", "closed");
    // As in volumecrypt@.service.
    set(properties, "DeviceAllow",
        std::vector<sdbus::Struct<std::string, std::string>>{{"/dev/mapper/control", "rw"},
                                                             {"block-*", "rw"},
                                                             {"char-tpm", "rw"},
                                                             {"/dev/tpm0", "rw"}});
    using Filter = sdbus::Struct<bool, Strings>;  // true: only these
    Strings families{"AF_UNIX"};
    set(properties, "PrivateNetwork", !process.network);
    if (process.network) families.insert(families.end(), {"AF_INET", "AF_INET6", "AF_NETLINK"});
    set(properties, "RestrictAddressFamilies", Filter{true, families});
    set(properties, "RestrictNamespaces", std::uint64_t{0});
    set(properties, "SystemCallArchitectures", Strings{"native"});
    // Each takes its part from, or adds it to, what was said before.
    set(properties, "SystemCallFilter", Filter{true, Strings{"@system-service"}});
    set(properties, "SystemCallFilter", Filter{false, Strings{"@privileged", "@resources"}});
    // With these volumecrypt-kms locks itself up.
    if (process.network)
        set(properties, "SystemCallFilter",
            Filter{true, Strings{"landlock_create_ruleset", "landlock_add_rule",
                                 "landlock_restrict_self", "seccomp", "@setuid", "capset"}});
    set(properties, "SystemCallErrorNumber", std::int32_t{EPERM});
    setText(properties, "KeyringMode", "private");
    set(properties, "UMask", std::uint32_t{0077});
    set(properties, "LimitCORE", std::uint64_t{0});
    set(properties, "OOMScoreAdjust", std::int32_t{500});
}

}  // namespace

std::vector<Property> transientUnit(const daemon::EngineProcess &process) {
    using Command = sdbus::Struct<std::string, Strings, bool>;
    std::vector<Property> properties;
    set(properties, "Description", process.description);
    // The default dependencies require sysinit.target, and starting anything that does makes
    // systemd start what that wants and is not active: a volume that failed at boot would be tried
    // again by every look at it.
    set(properties, "DefaultDependencies", false);
    set(properties, "Conflicts", Strings{"shutdown.target"});
    set(properties, "Before", Strings{"shutdown.target"});
    setText(properties, "Type", "oneshot");
    // Gone as soon as it has ended, however it did: its end is what its lines say.
    setText(properties, "CollectMode", "inactive-or-failed");
    set(properties, "TimeoutStopUSec", kStopMicroseconds);
    // What these two have to say is no failure of theirs: a plan with steps to take, or one that
    // cannot be made, leaves neither a failed unit nor a line that says so in the journal.
    if (process.quiet)
        set(properties, "SuccessExitStatus",
            sdbus::Struct<std::vector<std::int32_t>, std::vector<std::int32_t>>{{1, 2, 75}, {}});
    set(properties, "ExecStart", std::vector<Command>{{process.argv.at(0), process.argv, false}});
    addStreams(properties, process);
    addSandbox(properties, process);
    return properties;
}

void UnitLauncher::start(daemon::EngineProcess process, Started started, Ended ended) {
    const daemon::EngineHandle unit =
        "volumecrypt-job-" + std::to_string(process.number) + ".service";
    systemd_.whenEnded(unit, [unit, ended = std::move(ended)] { ended(unit + " ended"); });
    systemd_.startTransient(unit, transientUnit(process),
                            [this, unit, started = std::move(started)](base::Status status) {
                                if (status) return started(unit);
                                systemd_.forget(unit);
                                started(base::fail(std::move(status).error()));
                            });
}

void UnitLauncher::adopt(const daemon::EngineHandle &handle, Ended ended) {
    systemd_.whenEnded(handle, [handle, ended] { ended(handle + " ended"); });
    systemd_.isRunning(handle, [this, handle, ended = std::move(ended)](bool running) {
        if (running) return;
        systemd_.forget(handle);
        ended(handle + " ended before");
    });
}

void UnitLauncher::stop(const daemon::EngineHandle &handle) {
    systemd_.stopUnit(handle, [](const base::Status &) {});
}

}  // namespace volumecrypt::bus
