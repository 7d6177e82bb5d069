// SPDX-License-Identifier: Apache-2.0
// Reading headers that nobody vouches for: damaged, contradictory, hostile.
#include "luks/header_copy.h"
#include "luks/kdf_cost.h"
#include "support/header_on_disk.h"

namespace volumecrypt::test {
namespace {

using base::ErrorCode;
using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

// --- JSON that is none ---------------------------------------------------------------------------

TEST_F(HeaderOnDisk, JsonThatCannotBeRead) {
    const std::string deep(4000, '[');
    const std::string text = editor_->json().dump();
    for (const std::string &bad :
         {std::string("{"), std::string("[]"), std::string(), deep, "/* */" + text,
          text + "garbage", std::string("{\"a\":\"\xff\"}"), text + std::string(1, '\0') + "x",
          std::string(editor_->copySize() - 4096, ' ')}) {
        editor_->setJsonText(bad);
        expectRefused(ErrorCode::HeaderCorrupt, "both copies");
    }
}

TEST_F(HeaderOnDisk, NestedTokensAreBounded) {
    json nested = 1;
    for (int depth = 0; depth < 40; ++depth) nested = json::array({nested});
    editor_->change([&](json &j) {
        j["tokens"]["0"] = {{"type", "t"}, {"keyslots", json::array()}, {"x", nested}};
    });
    expectRefused(ErrorCode::HeaderCorrupt, "both copies");
}

// --- Two copies ----------------------------------------------------------------------------------

class OneBadCopy : public HeaderOnDisk, public ::testing::WithParamInterface<HeaderCopyOf> {
  protected:
    static HeaderCopyOf other() {
        return GetParam() == HeaderCopyOf::Primary ? HeaderCopyOf::Secondary
                                                   : HeaderCopyOf::Primary;
    }
    void expectUsableAndRepaired() {
        const std::string before = image_.bytes();
        const auto header = copy();
        ASSERT_THAT(header, IsOk());
        EXPECT_TRUE(header->needsRepair);
        EXPECT_TRUE(opens(0, "zero"));
        EXPECT_THAT(luks::openHeaderStore(image_.path())->view()->slots, SizeIs(2));
        EXPECT_TRUE(image_.bytes() == before) << "reading must not repair";

        ASSERT_THAT(luks::repairHeader(image_.path()), IsOk());
        EXPECT_FALSE(copy()->needsRepair);
        EXPECT_TRUE(opens(1, "one"));
        EXPECT_TRUE(image_.opensByCryptsetup(0, "zero"));
        const std::string repaired = image_.bytes();
        ASSERT_THAT(luks::repairHeader(image_.path()), IsOk());
        EXPECT_TRUE(image_.bytes() == repaired) << "nothing left to do";
    }
};

TEST_P(OneBadCopy, WithAWrongChecksum) {
    editor_->damage(GetParam());
    expectUsableAndRepaired();
}

TEST_P(OneBadCopy, ThatIsZero) {
    overwrite(image_.path(), GetParam() == HeaderCopyOf::Primary ? 0 : editor_->copySize(),
              std::string(editor_->copySize(), '\0'));
    expectUsableAndRepaired();
}

TEST_P(OneBadCopy, ThatIsOlder) {
    editor_->changeOne(GetParam(), [](json &j) { j["tokens"].clear(); });
    editor_->setSequence(GetParam(), editor_->sequence(other()) - 1);
    expectUsableAndRepaired();
}

TEST_P(OneBadCopy, ThatIsOlderAndHostile) {
    editor_->changeOne(GetParam(), [](json &j) { segment0(j)["encryption"] = "null"; });
    editor_->setSequence(GetParam(), editor_->sequence(other()) - 1);
    expectUsableAndRepaired();
}

TEST_P(OneBadCopy, ThatIsNewerAndHostile) {
    editor_->changeOne(GetParam(), [](json &j) { segment0(j)["encryption"] = "null"; });
    editor_->setSequence(GetParam(), editor_->sequence(other()) + 1);
    expectRefused(ErrorCode::HeaderRefused, "null");
}

TEST_P(OneBadCopy, ThatIsNewerAndNotForLibcryptsetup) {
    editor_->changeOne(GetParam(), [](json &j) { slot0(j).erase("af"); });
    editor_->setSequence(GetParam(), editor_->sequence(other()) + 1);
    expectRefused(ErrorCode::HeaderCorrupt, "LUKS2 header");
}

TEST_P(OneBadCopy, ThatClaimsAnotherPlace) {
    editor_->patch(GetParam(), 256, std::string("\0\0\0\0\0\4\0\0", 8));
    expectUsableAndRepaired();
}

TEST_P(OneBadCopy, ThatHidesSomethingBehindItsJson) {
    editor_->patch(GetParam(), editor_->copySize() - 1, "x");
    expectUsableAndRepaired();
}

TEST_P(OneBadCopy, ThatHasNoEndOfItsJson) {
    editor_->patch(GetParam(), 4096, std::string(editor_->copySize() - 4096, ' '));
    expectUsableAndRepaired();
}

// libcrypto has a hash of that name, without length: it holds for everything.
TEST_P(OneBadCopy, ThatIsNewerAndHasNoChecksum) {
    editor_->setSequence(GetParam(), editor_->sequence(other()) + 1);
    editor_->patch(GetParam(), 72, std::string("NULL\0\0", 6));
    expectUsableAndRepaired();
}

TEST_P(OneBadCopy, ThatLiesAboutItsSize) {
    editor_->patch(GetParam(), 8, std::string("\0\0\0\0\0\0\x80\0", 8));
    expectUsableAndRepaired();
}

TEST_P(OneBadCopy, ThatIsRepairedByTheNextChange) {
    editor_->damage(GetParam());
    const auto store = luks::openHeaderStore(image_.path());
    ASSERT_THAT(store->setToken(4, R"({"type":"t","keyslots":[]})"), IsOk());
    EXPECT_FALSE(copy()->needsRepair);
}

INSTANTIATE_TEST_SUITE_P(Which, OneBadCopy,
                         ::testing::Values(HeaderCopyOf::Primary, HeaderCopyOf::Secondary));

TEST_F(HeaderOnDisk, CopiesThatContradictEachOther) {
    editor_->changeOne(HeaderCopyOf::Secondary, [](json &j) {
        j["tokens"]["0"] = {{"type", "t"}, {"keyslots", json::array()}};
    });
    expectRefused(ErrorCode::HeaderCorrupt, "claim the sequence number");
}

TEST_F(HeaderOnDisk, CopiesOfTwoVolumes) {
    editor_->patch(HeaderCopyOf::Secondary, 168, "99999999");
    expectRefused(ErrorCode::HeaderCorrupt, "claim the sequence number");
}

TEST_F(HeaderOnDisk, BothCopiesDamaged) {
    editor_->damage(HeaderCopyOf::Primary);
    editor_->damage(HeaderCopyOf::Secondary);
    expectRefused(ErrorCode::HeaderCorrupt, "both copies");
}

TEST_F(HeaderOnDisk, UnknownVersion) {
    for (const HeaderCopyOf which : {HeaderCopyOf::Primary, HeaderCopyOf::Secondary})
        editor_->patch(which, 6, std::string("\0\3", 2));
    expectRefused(ErrorCode::NotLuks2, "version 3");
}

TEST_F(HeaderOnDisk, AbsurdHeaderSizes) {
    for (const std::string &size :
         {std::string("\0\0\0\0\0\0\0\0", 8), std::string("\0\0\0\0\0\0\x40\1", 8),
          std::string("\0\0\0\0\x40\0\0\0", 8), std::string(8, '\xff')}) {
        for (const HeaderCopyOf which : {HeaderCopyOf::Primary, HeaderCopyOf::Secondary})
            editor_->patch(which, 8, size);
        expectRefused(ErrorCode::HeaderCorrupt, "both copies");
    }
}

TEST_F(HeaderOnDisk, ChecksumOfAnUnknownAlgorithm) {
    for (const HeaderCopyOf which : {HeaderCopyOf::Primary, HeaderCopyOf::Secondary})
        editor_->patch(which, 72, "nothing");
    expectRefused(ErrorCode::HeaderCorrupt, "both copies");
}

TEST_F(HeaderOnDisk, TruncatedDevice) {
    for (const std::uint64_t size : {0U, 100U, 4096U, 32767U}) {
        const LuksImage small(size);
        overwrite(small.path(), 0, image_.bytes().substr(0, size));
        EXPECT_THAT(luks::copyHeader(small.path()), FailsWith(ErrorCode::NotLuks2)) << size;
    }
    for (const std::uint64_t size : {65536U, 131072U, 200000U, 262143U}) {
        const LuksImage small(size);
        overwrite(small.path(), 0, image_.bytes().substr(0, size));
        EXPECT_THAT(luks::copyHeader(small.path()), FailsWith(ErrorCode::HeaderCorrupt)) << size;
    }
    const LuksImage shortened(300000);
    overwrite(shortened.path(), 0, image_.bytes().substr(0, 300000));
    EXPECT_THAT(luks::copyHeader(shortened.path()),
                FailsWith(ErrorCode::HeaderCorrupt, HasSubstr("300000")));
}

TEST(HeaderCopy, OtherContentIsNoHeader) {
    const LuksImage blank;
    EXPECT_THAT(luks::copyHeader(blank.path()), FailsWith(ErrorCode::NotLuks2));
    overwrite(blank.path(), 0, std::string(65536, 'x'));
    EXPECT_THAT(luks::copyHeader(blank.path()), FailsWith(ErrorCode::NotLuks2));
    EXPECT_THAT(luks::copyHeader("/nonexistent"), FailsWith(ErrorCode::NotFound));
    EXPECT_THAT(luks::copyHeader("/dev/null"), Not(IsOk()));
    EXPECT_THAT(luks::copyHeader("/tmp"), Not(IsOk()));
}

// --- The copy ------------------------------------------------------------------------------------

TEST_F(HeaderOnDisk, CopyIsPrivate) {
    const auto header = copy();
    ASSERT_THAT(header, IsOk());
    overwrite(image_.path(), 0, std::string(2 * header->view.metadataSize, '\0'));
    const auto key = luks::openSlot(*header, 1, secret("one"));
    ASSERT_THAT(key, IsOk());
    EXPECT_TRUE(*key == volumeKey_);
    EXPECT_THAT(luks::openSlot(*header, 1, secret("zero")), FailsWith(ErrorCode::KeyRejected));
    EXPECT_THAT(luks::openSlot(*header, 2, secret("zero")), FailsWith(ErrorCode::NotFound));
    EXPECT_THAT(luks::slotDigest(*header, 1), IsOk());
    EXPECT_THAT(luks::slotDigest(*header, 2), FailsWith(ErrorCode::NotFound));
}

// Key slot areas are read when they are needed, and what they are needed for fails without them.
TEST_F(HeaderOnDisk, CopyHasNoKeyMaterialOfItsOwn) {
    const auto header = copy();
    ASSERT_THAT(header, IsOk());
    overwrite(image_.path(), header->view.slots.at(0).areaOffset, std::string(4096, 'x'));
    EXPECT_THAT(luks::openSlot(*header, 0, secret("zero")), FailsWith(ErrorCode::KeyRejected));
    EXPECT_THAT(luks::openSlot(*header, 1, secret("one")), IsOk());
}

// A disk that hangs must not keep others from their turn.
TEST_F(HeaderOnDisk, AKeyDerivationAsksForItsTurnWhenAllIsRead) {
    const auto header = copy();
    ASSERT_THAT(header, IsOk());
    const model::SlotView &slot = header->view.slots.at(1);
    const std::string area = bytesOfFile(image_.path()).substr(slot.areaOffset, slot.areaSize);
    std::vector<std::uint64_t> asked;
    luks::setKdfTurn([&](std::uint64_t memoryKiB) -> base::Result<base::UniqueFd> {
        const std::string memory =
            bytesOfFile("/proc/self/fd/" + std::to_string(header->memory.get()));
        EXPECT_TRUE(memory.substr(slot.areaOffset, slot.areaSize) == area);
        asked.push_back(memoryKiB);
        return base::fail(ErrorCode::Busy, "not now");
    });
    const auto key = luks::openSlot(*header, 1, secret("one"));
    luks::setKdfTurn({});
    EXPECT_THAT(key, FailsWith(ErrorCode::Busy));
    EXPECT_THAT(asked, ::testing::ElementsAre(slot.kdf.memoryKiB));
    EXPECT_THAT(luks::openSlot(*header, 1, secret("one")), IsOk());
}

TEST_F(HeaderOnDisk, CopyHoldsNothingElse) {
    // What lies between and behind the used areas may be anything, secrets of somebody included.
    overwrite(image_.path(), 1048576, std::string(1048576, 's'));
    overwrite(image_.path(), 16777216, std::string(4096, 's'));
    const auto header = copy();
    ASSERT_THAT(header, IsOk());
    ASSERT_THAT(luks::openSlot(*header, 1, secret("one")), IsOk());
    const std::string held = bytesOfFile("/proc/self/fd/" + std::to_string(header->memory.get()));
    EXPECT_EQ(held.size(), 16777216U);
    EXPECT_EQ(held.find(std::string(64, 's')), std::string::npos);
}

TEST_F(HeaderOnDisk, DestroyedKeyMaterialNoLongerOpens) {
    const std::uint64_t area = copy()->view.slots.at(0).areaOffset;
    overwrite(image_.path(), area, std::string(4096, 'x'));
    EXPECT_FALSE(opens(0, "zero"));
    EXPECT_TRUE(opens(1, "one"));
}

TEST_F(HeaderOnDisk, AbsurdKdfsAreNotRun) {
    const auto kdf = editor_->json()["keyslots"]["0"]["kdf"];
    const auto expectRefusal = [&](const char *member, unsigned value, const char *text) {
        editor_->change([&](json &j) {
            slot0(j)["kdf"] = kdf;
            slot0(j)["kdf"][member] = value;
        });
        const auto header = copy();
        ASSERT_THAT(header, IsOk());
        EXPECT_THAT(luks::openSlot(*header, 0, secret("zero")),
                    FailsWith(ErrorCode::HeaderRefused, HasSubstr(text)));
        EXPECT_TRUE(opens(1, "one"));
    };
    expectRefusal("memory", 0x7fffffff, "memory");
    expectRefusal("time", 0x7fffffff, "more than a minute");
    expectRefusal("cpus", 1000000, "threads");
}

}  // namespace
}  // namespace volumecrypt::test
