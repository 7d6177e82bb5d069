// SPDX-License-Identifier: Apache-2.0
// A HeaderStore in memory, held to the same contract suite as the real one; fails or "loses power"
// at any write.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "base/secret_buffer.h"
#include "luks/header_store.h"

namespace volumecrypt::test {

// Thrown when the power goes: no std::exception, so that nothing on the way catches it.
struct Killed {};

struct FakeLayout {
    std::uint64_t metadataSize = std::uint64_t{128} << 10;
    std::uint64_t keyslotsSize = (std::uint64_t{16} << 20) - (std::uint64_t{256} << 10);
    std::uint64_t ramKiB = std::uint64_t{1} << 20;
};

// What a device would keep is kept across a Killed: go on with the same object, as the next process
// would.
class FakeHeaderStore : public luks::HeaderStore {
  public:
    explicit FakeHeaderStore(const base::SecretBuffer &volumeKey, FakeLayout layout = {});

    base::Result<model::HeaderView> view() override;
    base::Result<base::SecretBuffer> openSlot(unsigned slot,
                                              const base::SecretBuffer &passphrase) override;
    base::Status addSlot(unsigned slot, const base::SecretBuffer &volumeKey,
                         const base::SecretBuffer &passphrase, luks::KdfCost cost) override;
    base::Status destroySlot(unsigned slot) override;
    base::Status setToken(unsigned id, const std::string &json) override;
    base::Status removeToken(unsigned id) override;
    base::Result<std::string> slotDigest(unsigned slot) override;

    // Write points so far. addSlot and destroySlot have two each (first the key slot area, then the
    // header), setToken and removeToken one; what changes nothing has none.
    [[nodiscard]] unsigned writes() const { return writes_; }
    // KDF runs so far: openSlot of a used slot, and addSlot.
    [[nodiscard]] unsigned kdfRuns() const { return kdfRuns_; }

    // The `nth` write point from now on (1 is the next) does not happen: the call fails with
    // `error`, or Killed is thrown. Once.
    void failAt(unsigned nth, base::Error error);
    void killAt(unsigned nth);
    void forgetFaults();

    // As if another tool had made the slot so.
    void changeKdf(unsigned slot, const model::KdfView &kdf);

  private:
    struct Slot {
        base::SecretBuffer passphrase;
        model::KdfView kdf;
        unsigned generation = 0;  // stands for salt and key material
        std::uint64_t areaOffset = 0;
        bool ruined = false;  // its area is gone, its entry not yet
    };
    struct Fault {
        unsigned at = 0;
        std::optional<base::Error> error;  // absent: a kill
    };

    base::Status reachWritePoint();
    [[nodiscard]] nlohmann::json slotJson(const Slot &slot) const;
    [[nodiscard]] nlohmann::json document() const;
    [[nodiscard]] std::size_t jsonSize() const;
    [[nodiscard]] bool fits() const;
    [[nodiscard]] std::optional<std::uint64_t> freeArea() const;
    void unlink(unsigned slot);

    base::SecretBuffer volumeKey_;
    FakeLayout layout_;
    std::map<unsigned, Slot> slots_;
    std::map<unsigned, nlohmann::json> tokens_;
    unsigned generations_ = 0;
    unsigned writes_ = 0;
    unsigned kdfRuns_ = 0;
    std::optional<Fault> fault_;
};

}  // namespace volumecrypt::test
