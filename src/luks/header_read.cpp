// SPDX-License-Identifier: Apache-2.0
// Lets libcryptsetup read a header in the memfd that it was checked in, never on the device.
#include "luks/header_read.h"

#include <cerrno>
#include <chrono>
#include <optional>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include "luks/header_json.h"
#include "luks/library.h"

namespace volumecrypt::luks {
namespace {

using base::ErrorCode;

// A copy that looks damaged or old may be one that somebody is writing at this moment: it is looked
// at again until it stays as it is. What is missed even so shows up as a conflict before a change.
base::Result<Metadata> readSettled(int fd) {
    constexpr std::chrono::milliseconds kPause(15);
    constexpr int kMostLooks = 10;
    std::optional<std::uint64_t> sequence;
    for (int look = 1;; ++look) {
        auto metadata = readMetadata(fd);
        if (!metadata || !metadata->needsRepair()) return metadata;
        if (look == kMostLooks || sequence == metadata->current().binary.sequence) return metadata;
        sequence = metadata->current().binary.sequence;
        std::this_thread::sleep_for(kPause);
    }
}

// The very bytes that were checked; libcryptsetup may add the copy that was left out of them.
base::Result<CryptDevice> loadImage(const DeviceHeader &header) {
    const int memory = header.metadata.image.get();
    const std::uint64_t extent = 2 * header.view.metadataSize + header.view.keyslotsSize;
    if (::ftruncate(memory, static_cast<off_t>(extent)) < 0)
        return base::fail(base::errnoError("make room for a copy of the header", errno));
    VC_ASSIGN(CryptDevice library, loadHeader(memoryPath(memory)));
    VC_TRY(understoodAlike(library.get(), header.metadata));
    return library;
}

}  // namespace

base::Status understoodAlike(crypt_device *library, const Metadata &metadata) {
    const char *dump = nullptr;
    const int result = ::crypt_dump_json(library, &dump, 0);
    if (result < 0) return base::fail(libraryError("read the header's JSON", result));
    VC_ASSIGN(const nlohmann::json document, parseHeaderJson(dump));
    if (document != *metadata.current().document ||
        metadata.current().binary.uuid != ::crypt_get_uuid(library))
        return base::fail(ErrorCode::HeaderCorrupt,
                          "libcryptsetup reads another LUKS2 header than the one on the device",
                          "Try again; if it stays so, the disk may have been tampered with.");
    return {};
}

base::Result<DeviceHeader> readDeviceHeader(const std::string &path) {
    DeviceHeader header;
    VC_ASSIGN(header.device, base::openFile(path, O_RDONLY));
    VC_ASSIGN(header.metadata, readSettled(header.device.get()));
    VC_ASSIGN(header.view, viewOf(header.metadata));
    return header;
}

base::Status checkUnderstood(const DeviceHeader &header) {
    VC_TRY(loadImage(header));
    return {};
}

base::Result<HeaderCopy> makeCopy(DeviceHeader header) {
    VC_ASSIGN(CryptDevice library, loadImage(header));
    return HeaderCopy{.memory = std::move(header.metadata.image),
                      .device = std::move(header.device),
                      .library = std::move(library),
                      .view = std::move(header.view),
                      .needsRepair = header.metadata.needsRepair()};
}

}  // namespace volumecrypt::luks
