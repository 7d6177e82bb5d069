// SPDX-License-Identifier: Apache-2.0
// Headers in flight: what is read out of them, what is not believed, and that both copies are
// written so that one is whole. The data: tests/crash/test_final_window.py.
#include <gmock/gmock.h>

#include "luks/metadata_write.h"
#include "luks/new_volume_key.h"
#include "luks/reencryption.h"
#include "support/header_on_disk.h"

namespace volumecrypt::test {
namespace {

using base::ErrorCode;
using luks::ReencryptionEnd;
using model::ReencryptionPhase;
using nlohmann::json;
using ::testing::HasSubstr;

MATCHER_P(EndsWith, end, "ends otherwise") {
    return arg && *arg == end;
}

class InFlight : public HeaderOnDisk {
  protected:
    // The key of slot 0 in slot 9 as well, for a new volume key; no data is changed yet.
    void SetUp() override {
        const auto key = luks::makeVolumeKey(64);
        ASSERT_THAT(key, IsOk());
        ASSERT_THAT(luks::addNewKeySlot(image_.path(), 9, *key, word_, luks::KdfCost::Minimal),
                    IsOk());
        ASSERT_THAT(luks::beginReencryption(image_.path(), "", both_), IsOk());
    }
    base::Result<ReencryptionEnd> go(int chunks = -1) {
        luks::ReencryptionControl control;
        control.pause = [&](std::chrono::milliseconds) { return chunks-- != 0; };
        return luks::runReencryption(image_.path(), "", both_, control);
    }
    model::HeaderView view() {
        auto copy = luks::copyHeaderInFlight(image_.path());
        EXPECT_THAT(copy, IsOk());
        return copy ? copy->view : model::HeaderView();
    }
    void expectNotBelieved(const std::function<void(json &)> &edit) {
        editor_->change(edit);
        const std::string before = image_.bytes();
        EXPECT_FALSE(luks::copyHeaderInFlight(image_.path()).has_value());
        EXPECT_FALSE(go().has_value());
        EXPECT_FALSE(luks::finishReencryption(image_.path(), {}).has_value());
        EXPECT_TRUE(image_.bytes() == before);
    }

    const base::SecretBuffer word_ = secret("zero");
    const luks::ReencryptionKey both_{.passphrase = word_, .oldSlot = 0, .newSlot = 9};
};

TEST_F(InFlight, IsReadWithoutTheLibrary) {
    const model::HeaderView begun = view();
    ASSERT_TRUE(begun.reencryption);
    EXPECT_EQ(begun.reencryption->mode, model::ReencryptionMode::Reencrypt);
    EXPECT_EQ(begun.reencryption->phase, ReencryptionPhase::Clean);
    EXPECT_EQ(begun.reencryption->done, 0U);
    EXPECT_EQ(begun.reencryption->resilience, "checksum");
    EXPECT_EQ(begun.dataSegment().offset, std::uint64_t{16} << 20);
    EXPECT_THAT(go(1), EndsWith(ReencryptionEnd::Stopped));
    const model::HeaderView stopped = view();
    EXPECT_EQ(stopped.reencryption->phase, ReencryptionPhase::Clean);
    EXPECT_EQ(stopped.reencryption->done, std::uint64_t{1} << 20);
    EXPECT_EQ(stopped.reencryption->live.size(), 2U);
}

TEST_F(InFlight, IsRefusedWhereNobodyAskedForIt) {
    expectRefused(ErrorCode::HeaderRefused, "is unfinished");
}

TEST_F(InFlight, IsNotEndedBeforeItsTime) {
    const std::string before = image_.bytes();
    EXPECT_THAT(luks::finishReencryption(image_.path(), {.moves = {{9, 0}}}),
                FailsWith(ErrorCode::HeaderRefused, HasSubstr("has not come to its end")));
    EXPECT_TRUE(image_.bytes() == before);
}

TEST_F(InFlight, SlotsGetTheirNumbersInTheEnd) {
    ASSERT_THAT(go(), EndsWith(ReencryptionEnd::Finished));
    luks::FinalHeader last{
        .moves = {{9, 0}}, .token = 5, .tokenJson = R"({"type":"t","keyslots":["0"]})"};
    ASSERT_THAT(luks::finishReencryption(image_.path(), last), IsOk());
    const auto copied = copy();
    ASSERT_THAT(copied, IsOk());
    EXPECT_FALSE(copied->needsRepair);
    EXPECT_EQ(copied->view.slots.size(), 1U);
    EXPECT_EQ(copied->view.tokens.at(5).keyslots, std::vector<unsigned>{0});
    EXPECT_THAT(luks::openSlot(*copied, 0, word_), IsOk());
    EXPECT_TRUE(image_.opensByCryptsetup(0, "zero"));
    EXPECT_EQ(editor_->sequence(HeaderCopyOf::Primary), editor_->sequence(HeaderCopyOf::Secondary));
}

TEST_F(InFlight, ADamagedCopyIsWrittenFirst) {
    ASSERT_THAT(go(), EndsWith(ReencryptionEnd::Finished));
    for (const auto which : {HeaderCopyOf::Primary, HeaderCopyOf::Secondary}) {
        editor_->damage(which);
        ASSERT_THAT(luks::rewriteHeader(image_.path(), [](json &) { return base::Status(); }),
                    IsOk());
        const auto copied = copy();
        ASSERT_THAT(copied, IsOk());
        EXPECT_FALSE(copied->needsRepair);
    }
}

TEST_F(InFlight, AnErrorOfTheEditWritesNothing) {
    const std::string before = image_.bytes();
    EXPECT_THAT(luks::rewriteHeader(
                    image_.path(),
                    [](json &) -> base::Status { return base::fail(ErrorCode::Internal, "no"); }),
                FailsWith(ErrorCode::Internal));
    EXPECT_THAT(luks::rewriteHeader(image_.path(),
                                    [](json &document) -> base::Status {
                                        document["keyslots"]["0"]["area"]["offset"] = "1";
                                        return {};
                                    }),
                FailsWith(ErrorCode::HeaderCorrupt));
    EXPECT_TRUE(image_.bytes() == before);
}

TEST_F(InFlight, AnotherCipherIsNotBelieved) {
    expectNotBelieved([](json &header) { segment0(header)["encryption"] = "aes-cbc-plain64"; });
}
TEST_F(InFlight, ANullCipherIsNotBelieved) {
    expectNotBelieved([](json &header) {
        for (auto &[number, segment] : header["segments"].items())
            segment["encryption"] = "cipher_null-ecb";
    });
}
TEST_F(InFlight, DataElsewhereIsNotBelieved) {
    expectNotBelieved([](json &header) { segment0(header)["offset"] = "16781312"; });
}
TEST_F(InFlight, APlainPartIsNotBelieved) {
    expectNotBelieved([](json &header) {
        segment0(header) = {{"type", "linear"}, {"offset", "16777216"}, {"size", "dynamic"}};
    });
}
TEST_F(InFlight, ANotKnownRequirementIsNotBelieved) {
    expectNotBelieved(
        [](json &header) { header["config"]["requirements"]["mandatory"].push_back("unknown"); });
}
TEST_F(InFlight, NoBackupSegmentIsNotBelieved) {
    expectNotBelieved([](json &header) { header["segments"].erase("2"); });
}

// The live segment is said to be under the new key: all data would be done. Whoever has no key can
// say so; libcryptsetup's own check of the header does not cover it, so that what is to be done
// then is decided by who opened a slot and the record.
TEST_F(InFlight, OneLiveSegmentUnderTheNewKeyKeepsTheLibraryAway) {
    editor_->change([](json &header) {
        std::string finalDigest, oldDigest;
        for (auto &[number, digest] : header["digests"].items())
            for (const json &segment : digest["segments"]) {
                if (segment == "2") finalDigest = number;
                if (segment == "0") oldDigest = number;
            }
        header["digests"][oldDigest]["segments"] = json::array({"1"});
        header["digests"][finalDigest]["segments"] = json::array({"0", "2"});
    });
    const std::string before = image_.bytes();
    EXPECT_EQ(view().reencryption->phase, ReencryptionPhase::DataDone);
    EXPECT_THAT(go(), EndsWith(ReencryptionEnd::DataDone));
    EXPECT_TRUE(image_.bytes() == before) << "not a byte was written";
}

}  // namespace
}  // namespace volumecrypt::test
