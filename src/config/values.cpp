// SPDX-License-Identifier: Apache-2.0
// Rules for single values.
#include "config/values.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <filesystem>
#include <utility>

#include <fmt/format.h>

#include "build_config.h"
#include "config/text.h"
#include "model/names.h"

namespace volumecrypt::config {
namespace {

// systemd's UNIT_NAME_MAX is 256 with the terminating NUL.
constexpr std::size_t kLongestUnitName = 255;

constexpr std::array<std::string_view, 2> kOwnDirectories{VOLUMECRYPT_LIBEXECDIR,
                                                          VOLUMECRYPT_SYSTEMUNITDIR};

bool isDigit(char c) {
    return c >= '0' && c <= '9';
}

std::string normalised(std::string_view path) {
    std::string result = std::filesystem::path(path).lexically_normal().string();
    if (result.size() > 1 && result.ends_with('/')) result.pop_back();
    return result.starts_with("//") ? result.substr(1) : result;
}

struct LabelRule {
    model::FilesystemType type;
    std::size_t longest;  // bytes
};
// xfs: the superblock's sb_fname; ext4: s_volume_name; btrfs: BTRFS_LABEL_SIZE less its NUL; vfat:
// a directory entry's name; swap: the header's 16 bytes less the NUL that mkswap keeps.
constexpr std::array<LabelRule, 5> kLabelRules{{{model::FilesystemType::Xfs, 12},
                                                {model::FilesystemType::Ext4, 16},
                                                {model::FilesystemType::Btrfs, 255},
                                                {model::FilesystemType::Vfat, 11},
                                                {model::FilesystemType::Swap, 15}}};
constexpr std::string_view kNotInVfatLabels = "*?.,;:/\\|+=<>[]\"";

struct Unit {
    std::int64_t seconds;
    std::initializer_list<std::string_view> names;
};
const std::array<Unit, 5> kUnits{{{1, {"s", "sec", "second", "seconds"}},
                                  {60, {"m", "min", "minute", "minutes"}},
                                  {3600, {"h", "hr", "hour", "hours"}},
                                  {86400, {"d", "day", "days"}},
                                  {604800, {"w", "week", "weeks"}}}};

std::optional<std::int64_t> secondsOf(std::string_view unit) {
    for (const Unit &candidate : kUnits)
        for (const std::string_view name : candidate.names)
            if (name == unit) return candidate.seconds;
    return std::nullopt;
}

// The longest run of characters that `belongs` accepts, taken off the front of `text`.
template <typename Predicate>
std::string_view takeWhile(std::string_view &text, Predicate belongs) {
    std::size_t length = 0;
    while (length < text.size() && belongs(text[length])) ++length;
    const std::string_view taken = text.substr(0, length);
    text.remove_prefix(length);
    return taken;
}

}  // namespace

Fault pathFault(std::string_view path, Quoting quoting) {
    const bool show = quoting == Quoting::Allowed;
    if (path.empty()) return "must not be empty";
    if (hasControlCharacter(path)) return "must not hold a control character";
    if (!path.starts_with('/'))
        return "must be an absolute path" + (show ? ", not " + quote(path) : "");
    // systemd cuts blanks off the ends of a setting, and a backslash joins it to the next line.
    if (path.ends_with(' ') || path.ends_with('\\'))
        return "must not end with a space or a backslash" + (show ? ": " + quote(path) : "");
    if (const std::string normal = normalised(path); normal != path)
        return show ? fmt::format("must be a normalised path: {}, not {}", quote(normal),
                                  quote(path))
                    : "must be a normalised path, without \".\", \"..\" and doubled slashes";
    if (model::deviceUnit(path).size() > kLongestUnitName)
        return "is too long for the name of a systemd unit";
    return std::nullopt;
}

Fault mountPointFault(std::string_view path) {
    if (auto fault = pathFault(path)) return fault;
    if (hidesSystem(path, kOwnDirectories))
        return fmt::format("must not be {}: a volume there would hide the running system",
                           quote(path));
    return std::nullopt;
}

Fault mountOptionFault(std::string_view option) {
    if (option.empty()) return "must not be empty";
    if (hasControlCharacter(option) || hasBlank(option))
        return fmt::format("must not hold white space or control characters: {}", quote(option));
    if (option.find(',') != std::string_view::npos)
        return fmt::format("must be one option, not {}: write each as an entry of its own",
                           quote(option));
    if (option.find('\\') != std::string_view::npos)
        return fmt::format("must not hold a backslash: {}", quote(option));
    if (option == "nofail") return "\"nofail\" is said by mount.required: false";
    if (option == "auto" || option == "noauto")
        return fmt::format("{} is said by volume.unlock", quote(option));
    if (option.starts_with("x-systemd."))
        return fmt::format("{} works in fstab only", quote(option));
    return std::nullopt;
}

Fault labelFault(model::FilesystemType type, std::string_view label) {
    if (label.empty()) return std::nullopt;
    if (hasControlCharacter(label)) return "must not hold a control character";
    const auto rule = std::find_if(kLabelRules.begin(), kLabelRules.end(),
                                   [type](const LabelRule &r) { return r.type == type; });
    if (rule == kLabelRules.end()) return "needs a file system, but filesystem.type is none";
    if (label.size() > rule->longest)
        return fmt::format("{} has {} bytes; {} takes {}", quote(label), label.size(),
                           model::filesystemName(type), rule->longest);
    const bool ascii = std::all_of(label.begin(), label.end(),
                                   [](char c) { return static_cast<unsigned char>(c) < 0x80; });
    if (type == model::FilesystemType::Vfat &&
        (!ascii || label.find_first_of(kNotInVfatLabels) != std::string_view::npos))
        return fmt::format("{} holds characters that vfat does not take", quote(label));
    return std::nullopt;
}

std::optional<std::chrono::seconds> parseDuration(std::string_view text) {
    constexpr std::int64_t kLongest = 100'000'000;  // three years: anything longer is a mistake
    const auto isSpace = [](char c) { return c == ' '; };
    if (text == "infinity") return std::chrono::seconds(0);
    std::int64_t total = 0;
    bool plain = false;
    bool any = false;
    takeWhile(text, isSpace);
    while (!text.empty()) {
        const std::string_view digits = takeWhile(text, isDigit);
        takeWhile(text, isSpace);
        const std::string_view unit =
            takeWhile(text, [](char c) { return !isDigit(c) && c != ' '; });
        takeWhile(text, isSpace);
        std::int64_t value = 0;
        const auto [rest, error] =
            std::from_chars(digits.data(), digits.data() + digits.size(), value);
        const auto factor = unit.empty() ? std::optional<std::int64_t>(1) : secondsOf(unit);
        if (digits.empty() || error != std::errc() || !factor) return std::nullopt;
        if (value > kLongest / *factor) return std::nullopt;
        total += value * *factor;
        // A number without a unit stands alone: "1 30s" is a slip.
        if (plain || (unit.empty() && any) || total > kLongest) return std::nullopt;
        plain = unit.empty();
        any = true;
    }
    if (!any) return std::nullopt;
    return std::chrono::seconds(total);
}

}  // namespace volumecrypt::config
