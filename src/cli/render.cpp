// SPDX-License-Identifier: Apache-2.0
// Volumes, slots and errors as text.
#include "cli/render.h"

#include <array>
#include <ctime>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/text.h"

namespace volumecrypt::cli {
namespace {

// It would be formatted if it were not remembered.
bool hasVanished(const VolumeInfo &volume) {
    return volume.pinned && volume.state == "blank";
}

Colour stateColour(const VolumeInfo &volume) {
    if (volume.state == "foreign" || volume.state == "failed" || hasVanished(volume))
        return Colour::Red;
    if (volume.degraded) return Colour::Yellow;
    if (volume.state == "unlocked") return Colour::Green;
    if (volume.state == "reencrypting") return Colour::Yellow;
    return Colour::None;
}

Colour healthColour(const std::string &health) {
    if (health == "ok") return Colour::Green;
    if (health == "missing") return Colour::Red;
    return health == "unverified" ? Colour::None : Colour::Yellow;
}

// What a table calls it: the name of the value says nothing of why.
Cell healthCell(const std::string &health) {
    return {health == "unverified" ? "not tested" : health, healthColour(health)};
}

// Whether a volume is in use as a file system now; empty where it cannot or need not be.
Cell mountedCell(const VolumeInfo &volume) {
    if (volume.mounted) return "yes";
    if (!volume.mountFailure.empty()) return {"failed", Colour::Red};
    if (volume.mountPoint.empty()) return "";
    const bool usable = volume.isOpen() || volume.state == "plain";
    return {"no", usable ? Colour::Red : Colour::None};
}

// Whether every declared or added key was seen to open the volume.
bool areKeysTested(const VolumeInfo &volume) {
    bool any = false;
    for (const auto &slot : volume.slots) {
        if (!slot.managed) continue;
        if (slot.health != "ok") return false;
        any = true;
    }
    return any;
}

// "ok" only where the keys were tried, and nothing has failed since.
Cell condition(const VolumeInfo &volume) {
    if (volume.degraded) return {"degraded", Colour::Yellow};
    if (hasVanished(volume)) return {"vanished", Colour::Red};
    if (!volume.errorCode.empty()) return {"failed", Colour::Red};
    const bool known =
        volume.state == "locked" || volume.state == "unlocked" || volume.state == "reencrypting";
    if (!known) return "";
    return areKeysTested(volume) ? "ok" : "not tested";
}

const char *yesNo(bool value) {
    return value ? "yes" : "no";
}

std::string lastError(const VolumeInfo &volume) {
    return volume.errorCode.empty() ? "" : volume.errorCode + ": " + volume.errorMessage;
}

std::string mountPointText(const VolumeInfo &volume) {
    if (volume.mountPoint.empty()) return volume.mounted ? "(mounted elsewhere)" : "";
    return volume.mountPoint + (volume.mounted ? "" : " (not mounted)");
}

std::string unlockedBy(const VolumeInfo &volume) {
    if (!volume.unlockedBy) return {};
    for (const auto &slot : volume.slots)
        if (slot.slot == *volume.unlockedBy)
            return fmt::format("slot {} ({})", slot.slot, slot.kind);
    return fmt::format("slot {}", *volume.unlockedBy);
}

Table slotTable(const VolumeInfo &volume) {
    Table table({"SLOT", "KIND", "OWNER", "HEALTH", "LOCKED TO"});
    for (const auto &slot : volume.slots)
        table.add({std::to_string(slot.slot), slot.kind,
                   Cell(slot.managed ? "managed" : "unmanaged"), healthCell(slot.health),
                   slot.lockedToState ? "STATE" : ""});
    return table;
}

// One KEY=VALUE line a property, names as on D-Bus; repeated for lists.
std::string volumeLines(const VolumeInfo &volume) {
    std::string out;
    const auto line = [&](const char *name, const std::string &value) {
        out += fmt::format("{}={}\n", name, printable(value));
    };
    line("Id", volume.id);
    line("Kind", volume.kind);
    line("State", volume.state);
    line("Degraded", yesNo(volume.degraded));
    line("Device", volume.device);
    line("Mapping", volume.mapping);
    line("MountPoint", volume.mountPoint);
    line("Mounted", yesNo(volume.mounted));
    if (!volume.mountFailure.empty()) line("MountFailure", volume.mountFailure);
    line("Uuid", volume.uuid);
    line("Cipher", volume.cipher);
    line("Pinned", yesNo(volume.pinned));
    line("UnlockedBySlot", volume.unlockedBy ? std::to_string(*volume.unlockedBy) : "");
    for (const auto &slot : volume.slots)
        line("KeySlot", fmt::format("{} {} {} {}{}", slot.slot, slot.kind,
                                    slot.managed ? "managed" : "unmanaged", slot.health,
                                    slot.lockedToState ? " locked-to-state" : ""));
    for (const auto &failed : volume.failedSyncs)
        line("FailedSync", fmt::format("{} {}", failed.slot, failed.reason));
    for (const auto &warning : volume.warnings)
        line("Warning", fmt::format("{}: {}", warning.code, warning.message));
    line("LastError", lastError(volume));
    if (!volume.errorHint.empty()) line("Hint", volume.errorHint);
    return out;
}

}  // namespace

std::string problemText(const ConfigProblem &problem) {
    std::string where = problem.file;
    if (problem.line != 0) where += fmt::format(":{}:{}", problem.line, problem.column);
    return printable(where + ": " + problem.message);
}

std::string localTime(std::uint64_t microseconds) {
    if (microseconds == 0) return "-";
    const auto seconds = static_cast<std::time_t>(microseconds / 1'000'000);
    std::tm parts{};
    std::array<char, 32> text{};
    if (::localtime_r(&seconds, &parts) == nullptr ||
        std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S%z", &parts) == 0)
        return "-";
    return text.data();
}

std::string renderList(const std::vector<VolumeInfo> &volumes, const Style &style) {
    Table table({"VOLUME", "STATE", "KEYS", "DEVICE", "MOUNT POINT", "MOUNTED"});
    for (const auto &volume : volumes)
        table.add({Cell(volume.id, Colour::Bold), Cell(volume.state, stateColour(volume)),
                   condition(volume), volume.device, volume.mountPoint, mountedCell(volume)});
    if (table.empty() && style.terminal)
        return "No volume is declared in /etc/volumecrypt: see volumecrypt.yaml(5).\n";
    return table.render(style);
}

std::string renderVolume(const VolumeInfo &volume, const Style &style) {
    if (!style.terminal) return volumeLines(volume);
    std::string out = fmt::format("{} ({} volume)\n", style.paint(Colour::Bold, field(volume.id)),
                                  field(volume.kind));
    const auto line = [&](const char *name, const std::string &value,
                          Colour colour = Colour::None) {
        if (!value.empty())
            out += fmt::format("  {:<13}{}\n", std::string(name) + ":",
                               style.paint(colour, printable(value)));
    };
    line("State", volume.state + (volume.degraded ? ", degraded" : ""), stateColour(volume));
    line("Device", volume.device);
    line("Mapping", volume.mapping);
    line("Mount point", mountPointText(volume));
    line("Mount", volume.mountFailure, Colour::Red);
    line("Hint", volume.mountFailureHint);
    line("UUID", volume.uuid);
    line("Cipher", volume.cipher);
    line("Unlocked by", unlockedBy(volume));
    if (!volume.uuid.empty()) line("Pinned", yesNo(volume.pinned));
    for (const auto &failed : volume.failedSyncs)
        line("Not in sync", fmt::format("slot {}: {}", failed.slot, failed.reason), Colour::Yellow);
    for (const auto &warning : volume.warnings) line("Warning", warning.message, Colour::Yellow);
    line("Last error", lastError(volume), Colour::Red);
    line("Hint", volume.errorHint);
    const Table slots = slotTable(volume);
    if (!slots.empty()) out += "\n" + slots.render(style, 2);
    return out;
}

std::string renderService(const ServiceInfo &service, const Style &style) {
    std::string out;
    if (!style.terminal) {
        out += fmt::format("Version={}\nTpmPresent={}\n", printable(service.version),
                           yesNo(service.tpmPresent));
        for (const auto &problem : service.problems)
            out += fmt::format("ConfigError={}\n", problemText(problem));
        for (const auto &problem : service.warnings)
            out += fmt::format("ConfigWarning={}\n", problemText(problem));
        return out;
    }
    out += fmt::format("VolumeCrypt {}, {}\n", printable(service.version),
                       service.tpmPresent ? "TPM 2.0 present" : "no TPM 2.0");
    for (const auto &problem : service.problems)
        out += style.paint(Colour::Red, problemText(problem)) + "\n";
    for (const auto &problem : service.warnings)
        out += style.paint(Colour::Yellow, "warning: " + problemText(problem)) + "\n";
    return out;
}

std::string renderSlots(const VolumeInfo &volume, const Style &style) {
    const Table table = slotTable(volume);
    if (table.empty() && style.terminal) return field(volume.id) + " has no key slots.\n";
    return table.render(style);
}

std::string renderError(const std::string &volume, const base::Error &error, const Style &style) {
    // Messages of the service may already begin with the volume's name.
    std::string message = printable(error.message);
    const std::string name = printable(volume);
    const std::string prefix =
        name.empty() || message.starts_with("volume " + name) ? "" : name + ": ";
    if (message.starts_with(prefix)) message.erase(0, prefix.size());
    std::string out =
        fmt::format("volumecryptctl: {}{}\n", prefix, style.paint(Colour::Red, message));
    std::string_view rest = error.hint;
    while (!rest.empty()) {
        const auto end = rest.find('\n');
        out += fmt::format("hint: {}\n", printable(rest.substr(0, end)));
        rest = end == std::string_view::npos ? "" : rest.substr(end + 1);
    }
    return out;
}

}  // namespace volumecrypt::cli
