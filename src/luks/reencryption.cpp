// SPDX-License-Identifier: Apache-2.0
// Runs of libcryptsetup between two looks of ours at the header.
#include "luks/reencryption.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>
#include <utility>

#include <linux/fs.h>
#include <sys/ioctl.h>

#include <fcntl.h>

#include "luks/header_read.h"
#include "luks/header_store.h"
#include "luks/header_validation.h"
#include "luks/kdf_cost.h"
#include "luks/library.h"

namespace volumecrypt::luks {
namespace {

using base::ErrorCode;
using model::ReencryptionPhase;
using std::chrono::milliseconds;

constexpr std::uint64_t kLibrarySector = 512;
constexpr std::uint64_t kLeastChunk = std::uint64_t{1} << 20;
// What is being worked on is out of reach for everybody meanwhile, and each chunk costs eight
// flushes of the disk.
constexpr std::uint64_t kMostChunk = std::uint64_t{32} << 20;
constexpr std::uint64_t kChunks = 16;

constexpr std::array<std::string_view, 5> kCorruptOnline{"2.7.0", "2.7.1", "2.7.2", "2.7.3",
                                                         "2.7.4"};

base::Status checkVersion(const std::string &mapping) {
    if (mapping.empty()) return {};
    const std::string version = libraryVersion();
    if (std::ranges::find(kCorruptOnline, version) == kCorruptOnline.end()) return {};
    return base::fail(
        ErrorCode::Unsupported,
        "libcryptsetup " + version + " destroys data when it reencrypts a volume that is in use",
        "Update libcryptsetup to 2.7.5 or later, or lock the volume first. Nothing "
        "was changed.");
}

// The header as it is, understood by both of us.
base::Result<DeviceHeader> lookAt(const std::string &path) {
    VC_ASSIGN(DeviceHeader header, readDeviceHeader(path));
    VC_TRY(validateHeaderInFlight(header.view));
    return header;
}

base::Result<CryptDevice> openUnderstood(const std::string &path, const DeviceHeader &header) {
    VC_TRY(checkUnderstood(header));
    VC_ASSIGN(CryptDevice library, loadHeader(path));
    VC_TRY(understoodAlike(library.get(), header.metadata));
    return library;
}

int slotNumber(const std::optional<unsigned> &slot) {
    return slot ? static_cast<int>(*slot) : CRYPT_ANY_SLOT;
}

// The turn for the derivations of the named slots.
base::Result<base::UniqueFd> awaitTurn(const model::HeaderView &view, const ReencryptionKey &key) {
    std::uint64_t memory = 0;
    for (const auto &number : {key.oldSlot, key.newSlot}) {
        if (!number) continue;
        VC_ASSIGN(const model::SlotView *slot, findSlot(view, *number));
        VC_TRY(validateKdfCost(*slot, ramKiB()));
        memory = std::max(memory, slot->kdf.memoryKiB);
    }
    return awaitKdfTurn(memory);
}

// What libcryptsetup calls between two chunks.
class Watch {
  public:
    explicit Watch(const ReencryptionControl &control)
        : control_(control), begun_(std::chrono::steady_clock::now()) {}

    [[nodiscard]] bool stopped() const { return stopped_; }

    static int call(std::uint64_t total, std::uint64_t done, void *self) {
        return static_cast<Watch *>(self)->at(done, total) ? 0 : 1;
    }

  private:
    bool at(std::uint64_t done, std::uint64_t total) {
        if (!first_) first_ = done;
        if (control_.progress) control_.progress(done, total);
        stopped_ = control_.pause && !control_.pause(dueIn(done));
        return !stopped_;
    }

    // How long to wait so that it is not faster than wanted.
    [[nodiscard]] milliseconds dueIn(std::uint64_t done) const {
        if (control_.rate == 0 || done <= *first_) return milliseconds(0);
        const auto passed =
            std::chrono::duration<double>(std::chrono::steady_clock::now() - begun_);
        const double wanted =
            static_cast<double>(done - *first_) / static_cast<double>(control_.rate);
        const double seconds = std::max(0.0, wanted - passed.count());
        return milliseconds(static_cast<std::int64_t>(seconds * 1000));
    }

    const ReencryptionControl &control_;
    std::chrono::steady_clock::time_point begun_;
    std::optional<std::uint64_t> first_;
    bool stopped_ = false;
};

// With checksums a part that was being written is told block by block: what is old, and what is
// new. That needs blocks that the disk writes as a whole, and libcryptsetup's are as large as the
// sectors of the encryption: seen, half of such a block lost its data. A disk of smaller sectors
// needs the journal, which writes everything twice.
const char *resilienceOn(const std::string &path, const model::SegmentView &data) {
    constexpr const char *kChecksum = "checksum";
    const auto fd = base::openFile(path, O_RDONLY);
    unsigned physical = 0;
    // A plain file's blocks are those of its file system.
    if (!fd || ::ioctl(fd->get(), BLKPBSZGET, &physical) < 0) return kChecksum;
    return data.sectorSize > physical ? "journal" : kChecksum;
}

std::uint64_t chunkOf(const ReencryptionControl &control, std::uint64_t deviceSize) {
    std::uint64_t chunk = control.chunk;
    if (chunk == 0) chunk = std::clamp(deviceSize / kChunks, kLeastChunk, kMostChunk);
    // One chunk takes a second at most where somebody wants it slow.
    if (control.rate != 0) chunk = std::min(chunk, std::max(control.rate, kLeastChunk));
    return chunk / kLeastChunk * kLeastChunk;
}

int initialise(crypt_device *library, const std::string &mapping, const ReencryptionKey &key,
               const crypt_params_reencrypt &parameters, const char *cipher = nullptr,
               const char *mode = nullptr) {
    return ::crypt_reencrypt_init_by_passphrase(
        library, mapping.empty() ? nullptr : mapping.c_str(), key.passphrase.chars(),
        key.passphrase.size(), slotNumber(key.oldSlot), slotNumber(key.newSlot), cipher, mode,
        &parameters);
}

base::Error failure(const std::string &what, const std::string &path, int result) {
    base::Error error = libraryError(what + " of " + path, result);
    if (result == -EPERM || result == -ENOENT) error.code = ErrorCode::KeyRejected;
    return error;
}

// A part that was being written when the machine or the program stopped is read from what was kept
// of it, and written again.
base::Status recoverPart(const std::string &path, const DeviceHeader &header,
                         const ReencryptionKey &key) {
    VC_ASSIGN(const CryptDevice library, openUnderstood(path, header));
    crypt_params_reencrypt parameters{};
    parameters.flags = CRYPT_REENCRYPT_RECOVERY;
    const int result = initialise(library.get(), {}, key, parameters);
    if (result < 0) return base::fail(failure("recover the reencryption", path, result));
    return {};
}

base::Status goOn(const std::string &path, const std::string &mapping, const DeviceHeader &header,
                  const ReencryptionKey &key, const ReencryptionControl &control, Watch &watch) {
    VC_ASSIGN(const CryptDevice library, openUnderstood(path, header));
    VC_TRY(checkVersion(mapping));
    crypt_params_reencrypt parameters{};
    parameters.flags = CRYPT_REENCRYPT_RESUME_ONLY;
    parameters.max_hotzone_size = chunkOf(control, header.metadata.deviceSize) / kLibrarySector;
    // What libcryptsetup keeps for a crash it chooses anew: as at the beginning.
    parameters.resilience = resilienceOn(path, header.view.dataSegment());
    parameters.hash = "sha256";
    const bool shifts = header.view.reencryption->dataShift != 0;
    if (shifts) {
        parameters.resilience = nullptr;
        parameters.hash = nullptr;
        parameters.max_hotzone_size = 0;
    }
    int result = initialise(library.get(), mapping, key, parameters);
    if (result < 0) return base::fail(failure("go on with the reencryption", path, result));
    result = ::crypt_reencrypt_run(library.get(), Watch::call, &watch);
    if (result < 0) return base::fail(failure("reencrypt the data", path, result));
    return {};
}

base::Result<DeviceHeader> lookRecovered(const std::string &path, const ReencryptionKey &key) {
    VC_ASSIGN(DeviceHeader header, lookAt(path));
    const auto &found = header.view.reencryption;
    if (!found || found->phase != ReencryptionPhase::Crashed) return header;
    VC_TRY(recoverPart(path, header, key));
    // It may have been the last part: then libcryptsetup must not go on.
    VC_ASSIGN(header, lookAt(path));
    if (header.view.reencryption && header.view.reencryption->phase == ReencryptionPhase::Crashed)
        return base::fail(ErrorCode::Io,
                          "the interrupted reencryption of " + path + " could not be recovered");
    return header;
}

ReencryptionEnd endOf(const model::HeaderView &view) {
    if (!view.reencryption) return ReencryptionEnd::Finished;
    return view.reencryption->phase == ReencryptionPhase::DataDone ? ReencryptionEnd::DataDone
                                                                   : ReencryptionEnd::Stopped;
}

}  // namespace

base::Result<ReencryptionEnd> runReencryption(const std::string &path, const std::string &mapping,
                                              const ReencryptionKey &key,
                                              const ReencryptionControl &control) {
    VC_ASSIGN(const DeviceHeader begun, lookAt(path));
    if (endOf(begun.view) != ReencryptionEnd::Stopped) return endOf(begun.view);
    VC_ASSIGN(const base::UniqueFd turn, awaitTurn(begun.view, key));
    VC_ASSIGN(const DeviceHeader header, lookRecovered(path, key));
    if (endOf(header.view) != ReencryptionEnd::Stopped) return endOf(header.view);
    Watch watch(control);
    auto done = goOn(path, mapping, header, key, control, watch);
    VC_ASSIGN(const DeviceHeader after, lookAt(path));
    const ReencryptionEnd end = endOf(after.view);
    // Whatever was said: this is how it is.
    if (end != ReencryptionEnd::Stopped) return end;
    VC_TRY(std::move(done));
    if (!watch.stopped())
        return base::fail(ErrorCode::Io, "libcryptsetup says that the reencryption of " + path +
                                             " is done, and its header says that it is not");
    return end;
}

base::Result<ReencryptionEnd> recoverReencryption(const std::string &path,
                                                  const ReencryptionKey &key) {
    VC_ASSIGN(const DeviceHeader begun, lookAt(path));
    if (endOf(begun.view) != ReencryptionEnd::Stopped) return endOf(begun.view);
    VC_ASSIGN(const base::UniqueFd turn, awaitTurn(begun.view, key));
    VC_ASSIGN(const DeviceHeader header, lookRecovered(path, key));
    return endOf(header.view);
}

base::Status beginReencryption(const std::string &path, const std::string &mapping,
                               const ReencryptionKey &key) {
    VC_ASSIGN(const DeviceHeader header, readDeviceHeader(path));
    VC_TRY(validateHeader(header.view));
    const model::SegmentView &data = header.view.dataSegment();
    VC_ASSIGN(const base::UniqueFd turn, awaitTurn(header.view, key));
    VC_ASSIGN(const CryptDevice library, openUnderstood(path, header));
    VC_TRY(checkVersion(mapping));
    const std::size_t dash = data.cipher.find('-');
    crypt_params_luks2 luks2{};
    luks2.sector_size = data.sectorSize;
    crypt_params_reencrypt parameters{};
    parameters.mode = CRYPT_REENCRYPT_REENCRYPT;
    parameters.direction = CRYPT_REENCRYPT_FORWARD;
    parameters.resilience = resilienceOn(path, data);
    parameters.hash = "sha256";
    parameters.luks2 = &luks2;
    parameters.flags = CRYPT_REENCRYPT_INITIALIZE_ONLY;
    const int result =
        initialise(library.get(), mapping, key, parameters, data.cipher.substr(0, dash).c_str(),
                   data.cipher.substr(dash + 1).c_str());
    if (result < 0) return base::fail(failure("begin the reencryption", path, result));
    VC_ASSIGN(const DeviceHeader after, lookAt(path));
    if (after.view.reencryption) return {};
    return base::fail(ErrorCode::Io, "libcryptsetup says that a reencryption of " + path +
                                         " has begun, and its header says that none has");
}

}  // namespace volumecrypt::luks
