// SPDX-License-Identifier: Apache-2.0
// Attributes of block devices: a partition's own are in its directory, the disk's one above.
#include "blockdev/sysfs.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <system_error>

#include <sys/sysmacros.h>

#include <fcntl.h>
#include <unistd.h>

#include "base/unique_fd.h"

namespace volumecrypt::blockdev {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kKernelSector = 512;  // the unit of `size`, whatever the device's own is
constexpr std::uint64_t kLargeSector = 4096;

template <typename Number>
std::optional<Number> parseNumber(std::string_view text) {
    Number number{};
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (code != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return number;
}

std::uint64_t readNumber(const std::string &directory, const std::string &name) {
    const auto text = readAttribute(directory, name);
    return text ? parseNumber<std::uint64_t>(*text).value_or(0) : 0;
}

// The disk says so itself, or it hangs on a bus that is plugged by hand. An ancestor's attribute
// (PCI behind Thunderbolt) reads "removable".
bool isRemovable(const std::string &diskDirectory, const std::string &sysRoot) {
    for (fs::path at = diskDirectory; at.string().size() > sysRoot.size(); at = at.parent_path()) {
        const std::string name = at.filename().string();
        if (name.starts_with("usb") || name.starts_with("firewire")) return true;
        const auto says = readAttribute(at.string(), "removable");
        if (says == "removable" || (says == "1" && at == diskDirectory)) return true;
    }
    return false;
}

std::string nodeOf(const KernelRoots &roots, const std::string &directory) {
    const auto uevent = readUevent(directory);
    const auto found = uevent.find("DEVNAME");
    return found == uevent.end() ? std::string() : roots.dev + "/" + found->second;
}

}  // namespace

std::optional<std::string> readAttribute(const std::string &directory, const std::string &name) {
    const auto fd = base::openFile(directory + "/" + name, O_RDONLY);
    if (!fd) return std::nullopt;
    // The kernel gives an attribute whole to the first call; what fills the page may be cut off.
    std::array<char, 4096> page;
    const ssize_t length = ::read(fd->get(), page.data(), page.size());
    if (length < 0 || static_cast<std::size_t>(length) == page.size()) return std::nullopt;
    std::string text(page.data(), static_cast<std::size_t>(length));
    while (!text.empty() && text.back() == '\n') text.pop_back();
    return text;
}

std::map<std::string, std::string> readUevent(const std::string &directory) {
    std::map<std::string, std::string> values;
    const std::string text = readAttribute(directory, "uevent").value_or("");
    for (std::size_t start = 0; start < text.size();) {
        const std::size_t end = std::min(text.find('\n', start), text.size());
        const std::string line = text.substr(start, end - start);
        if (const auto equals = line.find('='); equals != std::string::npos)
            values[line.substr(0, equals)] = line.substr(equals + 1);
        start = end + 1;
    }
    return values;
}

std::vector<std::string> namesIn(const std::string &directory) {
    std::vector<std::string> names;
    std::error_code code;
    for (fs::directory_iterator at(directory, code), end; !code && at != end; at.increment(code))
        names.push_back(at->path().filename().string());
    std::sort(names.begin(), names.end());
    return names;
}

bool exists(const std::string &path) {
    std::error_code code;
    return fs::exists(path, code);
}

std::optional<dev_t> parseDeviceNumber(const std::string &text) {
    const std::size_t colon = text.find(':');
    if (colon == std::string::npos) return std::nullopt;
    const auto majorPart = parseNumber<unsigned>(std::string_view(text).substr(0, colon));
    const auto minorPart = parseNumber<unsigned>(std::string_view(text).substr(colon + 1));
    if (!majorPart || !minorPart) return std::nullopt;
    return makedev(*majorPart, *minorPart);
}

base::Result<BlockInfo> readBlockInfo(const KernelRoots &roots, dev_t number) {
    const std::string name = std::to_string(major(number)) + ":" + std::to_string(minor(number));
    // A link that names the directory itself, without further links on the way.
    const fs::path link = roots.sys + "/dev/block/" + name;
    std::error_code code;
    const fs::path target = fs::read_symlink(link, code);
    const std::string directory = (link.parent_path() / target).lexically_normal().string();
    if (code)
        return base::fail(
            base::errnoError("look up block device " + name + " in sysfs", code.value()));
    const std::string disk =
        exists(directory + "/partition") ? fs::path(directory).parent_path().string() : directory;
    BlockInfo info;
    info.number = number;
    info.node = nodeOf(roots, directory);
    info.diskNode = disk == directory ? info.node : nodeOf(roots, disk);
    if (info.node.empty() || info.diskNode.empty())
        return base::fail(base::ErrorCode::Io, "sysfs does not name block device " + name);
    info.size = readNumber(directory, "size") * kKernelSector;
    info.largeSectors = readNumber(disk, "queue/physical_block_size") >= kLargeSector &&
                        readNumber(directory, "alignment_offset") == 0 &&
                        info.size % kLargeSector == 0;
    info.removable = isRemovable(disk, roots.sys);
    return info;
}

std::vector<std::string> holdersOf(const KernelRoots &roots, dev_t number) {
    return namesIn(roots.sys + "/dev/block/" + std::to_string(major(number)) + ":" +
                   std::to_string(minor(number)) + "/holders");
}

}  // namespace volumecrypt::blockdev
