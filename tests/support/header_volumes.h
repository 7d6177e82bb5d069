// SPDX-License-Identifier: Apache-2.0
// The kinds of volumes that the contract of luks::HeaderStore is held against.
#pragma once

#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include <fcntl.h>

#include "base/unique_fd.h"
#include "luks/header_write.h"
#include "support/fake_header_store.h"
#include "support/header_editor.h"
#include "support/luks_image.h"

namespace volumecrypt::test {

// Each kind of volume: an empty header, its volume key, and a header with little room.
class FakeVolume {
  public:
    FakeVolume() : FakeVolume(FakeLayout{}) {}
    static FakeVolume small() {
        return FakeVolume({.metadataSize = 16384, .keyslotsSize = std::uint64_t{258048} * 3});
    }
    luks::HeaderStore &store() { return *store_; }
    const base::SecretBuffer &volumeKey() { return key_; }
    void changeKdfMemory(unsigned slot, unsigned kib) {
        model::KdfView kdf = store_->view()->slots.at(slot).kdf;
        kdf.memoryKiB = kib;
        store_->changeKdf(slot, kdf);
    }

  private:
    explicit FakeVolume(FakeLayout layout)
        : key_(base::SecretBuffer::copyOf(std::string(64, 'k'))),
          store_(std::make_unique<FakeHeaderStore>(key_, layout)) {}

    base::SecretBuffer key_;
    std::unique_ptr<FakeHeaderStore> store_;
};

class MemoryVolume {
  public:
    MemoryVolume() : header_(*luks::buildHeader({.deviceSize = kImageSize})) {}
    luks::HeaderStore &store() { return *header_.store; }
    const base::SecretBuffer &volumeKey() { return header_.volumeKey; }

  private:
    luks::NewHeader header_;
};

class FileVolume {
  public:
    FileVolume() : image_(std::make_unique<LuksImage>()) {
        luks::NewHeader header = *luks::buildHeader({.deviceSize = kImageSize});
        const base::UniqueFd file = *base::openFile(image_->path(), O_RDWR);
        if (!luks::writeHeader(file.get(), model::VolumeId::state(), header)) std::abort();
        key_ = std::move(header.volumeKey);
        store_ = luks::openHeaderStore(image_->path());
    }
    static FileVolume small() {
        FileVolume volume;
        // 16 KiB of metadata and room for three key slots; the key of a slot that then goes.
        volume.image_->formatByCryptsetup(
            "x", {"--luks2-metadata-size", "16k", "--luks2-keyslots-size", "756k"});
        volume.key_ = *volume.store_->openSlot(0, secret("x"));
        if (!volume.store_->destroySlot(0)) std::abort();
        return volume;
    }
    luks::HeaderStore &store() { return *store_; }
    const base::SecretBuffer &volumeKey() { return key_; }
    void changeKdfMemory(unsigned slot, unsigned kib) {
        HeaderEditor(image_->path()).change([&](nlohmann::json &json) {
            json["keyslots"][std::to_string(slot)]["kdf"]["memory"] = kib;
        });
    }
    [[nodiscard]] std::string bytes() const { return image_->bytes(); }

  private:
    std::unique_ptr<LuksImage> image_;
    base::SecretBuffer key_;
    std::unique_ptr<luks::HeaderStore> store_;
};

}  // namespace volumecrypt::test
