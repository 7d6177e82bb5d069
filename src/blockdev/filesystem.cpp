// SPDX-License-Identifier: Apache-2.0
// Which mkfs with which arguments. None of them is told to overwrite what it finds.
#include "blockdev/filesystem.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <fcntl.h>
#include <unistd.h>

#include "base/child_process.h"
#include "base/text.h"
#include "base/unique_fd.h"
#include "blockdev/signature.h"

namespace volumecrypt::blockdev {
namespace {

using base::ErrorCode;
using model::FilesystemType;

struct Maker {
    FilesystemType type;
    std::string_view program;
    std::string_view package;  // as Debian and most others call it
    std::string_view labelOption;
    std::size_t longestLabel;
    // In bytes, where sectors have 512 or 4096. Found by trial on files with xfsprogs 6.1.0
    // (--unsupported; with -s size=4096), e2fsprogs 1.47.0 (-b 4096, to which larger sectors force
    // it), btrfs-progs 6.2 (metadata twice, its default since 5.15) and dosfstools 4.2 (-S 4096).
    std::uint64_t smallest;
    std::uint64_t smallestOnLargeSectors;
    std::vector<std::string> options;
};

constexpr std::uint64_t kSmallestXfs = std::uint64_t{16} << 20;
constexpr std::uint64_t kSmallestBtrfs = std::uint64_t{109} << 20;

// util-linux: ten pages of this machine.
std::uint64_t smallestSwap() {
    return 10 * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

const std::vector<Maker> &makers() {
    static const std::vector<Maker> table{
        {FilesystemType::Xfs,
         "mkfs.xfs",
         "xfsprogs",
         "-L",
         12,
         kSmallestXfs,
         kSmallestXfs,
         {"-q", "-n", "ftype=1"}},
        {FilesystemType::Ext4, "mkfs.ext4", "e2fsprogs", "-L", 16, 106'496, 229'376, {"-q"}},
        {FilesystemType::Btrfs,
         "mkfs.btrfs",
         "btrfs-progs",
         "-L",
         255,
         kSmallestBtrfs,
         kSmallestBtrfs,
         {"-q"}},
        {FilesystemType::Vfat, "mkfs.vfat", "dosfstools", "-n", 11, 51'200, 65'536, {}},
        {FilesystemType::Swap,
         "mkswap",
         "util-linux",
         "-L",
         15,
         smallestSwap(),
         smallestSwap(),
         {}},
    };
    return table;
}

constexpr std::uint64_t kSmallestSupportedXfs = std::uint64_t{300} << 20;
// What mkfs.xfs makes of a disk where it does not count CPUs, and its own bounds: it refuses a file
// system without a second superblock, and larger groups.
constexpr std::uint64_t kUsualXfsGroups = 4;
constexpr std::uint64_t kFewestXfsGroups = 2;
constexpr std::uint64_t kLargestXfsGroup = std::uint64_t{1} << 40;
constexpr const char *kUnsupportedOption = "--unsupported";

std::string upperCase(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(), [](char c) {
        return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    });
    return text;
}

base::Result<std::uint64_t> sizeOf(int fd, const std::string &path) {
    struct stat info {};
    std::uint64_t bytes = 0;
    if (::fstat(fd, &info) < 0) return base::fail(base::errnoError("look at " + path, errno));
    if (S_ISREG(info.st_mode)) return static_cast<std::uint64_t>(info.st_size);
    if (::ioctl(fd, BLKGETSIZE64, &bytes) < 0)
        return base::fail(base::errnoError("get the size of " + path, errno));
    return bytes;
}

// Not every mkfs looks before it writes when nobody sits at a terminal. Returns the size.
base::Result<std::uint64_t> expectNothing(const std::string &path) {
    VC_ASSIGN(const base::UniqueFd fd, base::openFile(path, O_RDONLY));
    VC_ASSIGN(const std::uint64_t size, sizeOf(fd.get(), path));
    VC_ASSIGN(const auto found, findSignature(fd.get(), size));
    if (found)
        return base::fail(ErrorCode::NotBlank, path + " holds " + found->describe(),
                          "No file system was made.");
    return size;
}

// On machines with many CPUs mkfs.xfs makes hundreds of small groups of a fast disk: the usual
// number, or as many as keep to the minimum.
std::string xfsGroups(std::uint64_t size, std::uint64_t minimum) {
    const std::uint64_t least =
        std::max(kFewestXfsGroups, (size + kLargestXfsGroup - 1) / kLargestXfsGroup);
    const std::uint64_t most = std::max(kUsualXfsGroups, least);
    return "agcount=" + std::to_string(std::clamp(size / minimum, least, most));
}

tl::unexpected<base::Error> notInstalled(const Maker &maker) {
    return base::fail(ErrorCode::Unsupported, std::string(maker.program) + " is not installed",
                      "Install the package " + std::string(maker.package) + ".");
}

base::Result<base::ChildOutcome> run(const Maker &maker, const std::vector<std::string> &argv) {
    auto outcome = base::runProgram(argv);
    if (outcome || outcome.error().code != ErrorCode::NotFound) return outcome;
    return notInstalled(maker);
}

const Maker *makerOf(FilesystemType type) {
    const auto maker = std::find_if(makers().begin(), makers().end(),
                                    [type](const Maker &each) { return each.type == type; });
    return maker == makers().end() ? nullptr : &*maker;
}

base::Result<std::vector<std::string>> commandOf(const Maker &maker, const std::string &label) {
    std::vector<std::string> argv{std::string(maker.program)};
    argv.insert(argv.end(), maker.options.begin(), maker.options.end());
    if (label.empty()) return argv;
    if (label.size() > maker.longestLabel)
        return base::fail(ErrorCode::InvalidConfig,
                          "the label \"" + label + "\" is longer than the " +
                              std::to_string(maker.longestLabel) + " bytes of " +
                              std::string(model::filesystemName(maker.type)),
                          "Shorten filesystem.label.");
    argv.emplace_back(maker.labelOption);
    argv.push_back(maker.type == FilesystemType::Vfat ? upperCase(label) : label);
    return argv;
}

}  // namespace

std::uint64_t smallestFilesystem(FilesystemType type, unsigned sectorSize) {
    constexpr unsigned kLargeSector = 4096;
    const Maker *maker = makerOf(type);
    if (maker == nullptr) return 0;
    return sectorSize < kLargeSector ? maker->smallest : maker->smallestOnLargeSectors;
}

base::Status expectMkfs(FilesystemType type) {
    const Maker *maker = makerOf(type);
    if (maker == nullptr || base::hasProgram(std::string(maker->program))) return {};
    return notInstalled(*maker);
}

base::Status makeFilesystem(const model::FilesystemSpec &spec, const std::string &path) {
    const Maker *maker = makerOf(spec.type);
    if (maker == nullptr) return {};
    VC_ASSIGN(auto argv, commandOf(*maker, spec.label));
    VC_ASSIGN(const std::uint64_t size, expectNothing(path));
    const bool smallXfs = spec.type == FilesystemType::Xfs && size <= kSmallestSupportedXfs;
    if (smallXfs)
        argv.emplace_back(kUnsupportedOption);
    else if (spec.type == FilesystemType::Xfs && spec.minAllocationGroupSize > 0)
        argv.insert(argv.end(), {"-d", xfsGroups(size, spec.minAllocationGroupSize)});
    argv.push_back(path);
    VC_ASSIGN(auto outcome, run(*maker, argv));
    // Before 5.19 there was neither the limit nor the option.
    if (smallXfs && outcome.exitCode != 0 &&
        outcome.output.find("unrecognized option") != std::string::npos) {
        std::erase(argv, kUnsupportedOption);
        VC_ASSIGN(outcome, run(*maker, argv));
    }
    if (outcome.exitCode != 0)
        return base::fail(ErrorCode::Io, std::string(maker->program) + " on " + path + " failed (" +
                                             std::to_string(outcome.exitCode) +
                                             "): " + base::joinedLines(outcome.output));
    return {};
}

}  // namespace volumecrypt::blockdev
