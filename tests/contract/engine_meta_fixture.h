// SPDX-License-Identifier: Apache-2.0
// STATE and META on plain files.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "base/files.h"
#include "meta/meta_store.h"
#include "support/volume_fixture.h"

namespace volumecrypt::test {

class EngineMetaFixture : public VolumeFixture {
  protected:
    void SetUp() override {
        makeImage();
        meta_ = directory_.path() + "/meta";
        std::ofstream(meta_).close();
        std::filesystem::resize_file(meta_, std::uint64_t{1} << 20);
    }
    // STATE with this `encryption`; none when it is empty.
    void declareState(const std::string &encryption) {
        writeConfig("apiVersion: v1alpha1\nkind: VolumeConfig\nname: STATE\nvolume: {device: " +
                    image_ + ", meta: " + meta_ + "}\nfilesystem: {type: ext4}\n" +
                    (encryption.empty() ? "" : "encryption: " + encryption + "\n"));
    }
    EngineResult onState(const std::string &verb, std::vector<std::string> more = {}) const {
        return engine(verb, std::move(more), {}, "STATE");
    }
    void formatted(const std::string &encryption) {
        declareState(encryption);
        const EngineResult made = onState("format");
        ASSERT_EQ(made.exitCode, 0) << made.last().dump();
        const EngineResult synced = onState("sync");
        ASSERT_EQ(synced.exitCode, 0) << synced.last().dump();
    }
    [[nodiscard]] std::string tag(std::uint32_t number) const {
        const auto tags = meta::readMeta(meta_);
        if (!tags || !tags->contains(number)) return "(absent)";
        return {tags->at(number).chars(), tags->at(number).size()};
    }
    void setTag(std::uint32_t number, const std::string &value) const {
        ASSERT_TRUE(meta::writeTag(meta_, number, base::SecretBuffer::copyOf(value)));
    }
    [[nodiscard]] std::string metaBytes() const { return *base::readFile(meta_); }

    std::string meta_;
    static constexpr const char *kNodeIdKey = "{keys: [{slot: 0, nodeID: {}}]}";
};

}  // namespace volumecrypt::test
