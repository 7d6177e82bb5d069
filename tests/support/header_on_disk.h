// SPDX-License-Identifier: Apache-2.0
// A test fixture: a small header of ours on a file, to be spoiled.
#pragma once

#include <cstdlib>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "luks/header_build.h"
#include "luks/header_copy.h"
#include "luks/header_store.h"
#include "support/header_editor.h"
#include "support/luks_image.h"
#include "support/result_matchers.h"

namespace volumecrypt::test {

// A header of ours with the keys "zero" and "one" in slots 0 and 1: all of it that is not zero.
struct Sample {
    base::SecretBuffer volumeKey;
    std::string bytes;
};

inline const Sample &sample() {
    static const Sample made = [] {
        luks::NewHeader header = *luks::buildHeader({.deviceSize = kImageSize});
        if (!header.store->addSlot(0, header.volumeKey, secret("zero"), luks::KdfCost::Minimal) ||
            !header.store->addSlot(1, header.volumeKey, secret("one"), luks::KdfCost::Minimal))
            std::abort();
        const std::string path = "/proc/self/fd/" + std::to_string(header.memory.get());
        return Sample{.volumeKey = std::move(header.volumeKey),
                      .bytes = bytesOfFile(path).substr(0, std::size_t{1} << 20)};
    }();
    return made;
}

inline nlohmann::json &slot0(nlohmann::json &header) {
    return header["keyslots"]["0"];
}
inline nlohmann::json &segment0(nlohmann::json &header) {
    return header["segments"]["0"];
}

class HeaderOnDisk : public ::testing::Test {
  protected:
    HeaderOnDisk() {
        overwrite(image_.path(), 0, sample().bytes);
        editor_ = std::make_unique<HeaderEditor>(image_.path());
    }

    base::Result<luks::HeaderCopy> copy() { return luks::copyHeader(image_.path()); }
    bool opens(unsigned slot, const std::string &passphrase) {
        const auto header = copy();
        if (!header) return false;
        const auto key = luks::openSlot(*header, slot, secret(passphrase));
        return key && *key == volumeKey_;
    }
    // Neither reading nor a change gets further than the refusal, and nothing is written.
    void expectRefused(base::ErrorCode code, const std::string &text) {
        const std::string before = image_.bytes();
        EXPECT_THAT(copy(), FailsWith(code, ::testing::HasSubstr(text)));
        const auto store = luks::openHeaderStore(image_.path());
        EXPECT_THAT(store->openSlot(0, secret("zero")), FailsWith(code));
        EXPECT_THAT(store->addSlot(5, volumeKey_, secret("five"), luks::KdfCost::Minimal),
                    FailsWith(code));
        EXPECT_THAT(store->destroySlot(1), FailsWith(code));
        EXPECT_THAT(store->setToken(0, R"({"type":"t","keyslots":[]})"), FailsWith(code));
        EXPECT_THAT(luks::repairHeader(image_.path()), ::testing::AnyOf(FailsWith(code), IsOk()));
        EXPECT_TRUE(image_.bytes() == before);
    }

    LuksImage image_;
    const base::SecretBuffer &volumeKey_ = sample().volumeKey;
    std::unique_ptr<HeaderEditor> editor_;
};

}  // namespace volumecrypt::test
