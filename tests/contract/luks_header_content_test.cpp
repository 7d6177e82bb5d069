// SPDX-License-Identifier: Apache-2.0
// What a header may say and what not, however good its checksums are.
#include <functional>
#include <vector>

#include "support/header_on_disk.h"

namespace volumecrypt::test {
namespace {

using base::ErrorCode;
using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::SizeIs;

// --- Contents that are refused -------------------------------------------------------------------

struct BadContent {
    const char *name;
    std::function<void(json &)> edit;
    ErrorCode code;
    const char *text;
};

class RefusedContent : public HeaderOnDisk, public ::testing::WithParamInterface<BadContent> {};

TEST_P(RefusedContent, IsNeverUsed) {
    editor_->change(GetParam().edit);
    expectRefused(GetParam().code, GetParam().text);
}

const std::vector<BadContent> &refusedContents() {
    static const std::vector<BadContent> list{
        {"SlotWithSerpent", [](json &j) { slot0(j)["area"]["encryption"] = "serpent-xts-plain64"; },
         ErrorCode::HeaderRefused, "key slot 0 is encrypted with \"serpent-xts-plain64\""},
        {"SlotWithNullCipher", [](json &j) { slot0(j)["area"]["encryption"] = "null"; },
         ErrorCode::HeaderRefused, "key slot 0 is encrypted with \"null\""},
        {"SlotWithCipherNull", [](json &j) { slot0(j)["area"]["encryption"] = "cipher_null-ecb"; },
         ErrorCode::HeaderRefused, "cipher_null-ecb"},
        {"SlotWithCbc", [](json &j) { slot0(j)["area"]["encryption"] = "aes-cbc-essiv:sha256"; },
         ErrorCode::HeaderRefused, "aes-cbc-essiv:sha256"},
        {"SlotOfLuks1", [](json &j) { slot0(j)["type"] = "luks1"; }, ErrorCode::HeaderRefused,
         "unknown type \"luks1\""},
        {"SlotWithOddAreaKey", [](json &j) { slot0(j)["area"]["key_size"] = 16; },
         ErrorCode::HeaderRefused, "128 bits"},
        {"SlotWithUnknownKdf",
         [](json &j) {
             slot0(j)["kdf"] = {{"type", "scrypt"}};
         },
         ErrorCode::HeaderRefused, "unknown KDF \"scrypt\""},
        {"DataWithNullCipher", [](json &j) { segment0(j)["encryption"] = "cipher_null-ecb"; },
         ErrorCode::HeaderRefused, "the data is encrypted with \"cipher_null-ecb\""},
        {"DataWithNull", [](json &j) { segment0(j)["encryption"] = "null"; },
         ErrorCode::HeaderRefused, "the data is encrypted with \"null\""},
        {"DataWithSerpent", [](json &j) { segment0(j)["encryption"] = "serpent-xts-plain64"; },
         ErrorCode::HeaderRefused, "serpent-xts-plain64"},
        {"DataWithWrongKeyLength",
         [](json &j) { segment0(j)["encryption"] = "xchacha12,aes-adiantum-plain64"; },
         ErrorCode::HeaderRefused, "512 bits"},
        {"LinearSegment", [](json &j) { segment0(j)["type"] = "linear"; }, ErrorCode::HeaderRefused,
         "\"linear\""},
        {"TwoSegments",
         [](json &j) {
             segment0(j)["size"] = "1048576";
             j["segments"]["1"] = {{"type", "linear"}, {"offset", "17825792"}, {"size", "dynamic"}};
         },
         ErrorCode::HeaderRefused, "2 data segments"},
        {"NoSegment", [](json &j) { j["segments"].clear(); }, ErrorCode::HeaderRefused,
         "0 data segments"},
        {"SegmentFlag", [](json &j) { segment0(j)["flags"] = {"allow-discards"}; },
         ErrorCode::HeaderRefused, "flag \"allow-discards\""},
        {"SegmentInsideHeader", [](json &j) { segment0(j)["offset"] = "0"; },
         ErrorCode::HeaderRefused, "begins inside the header"},
        {"Integrity",
         [](json &j) {
             segment0(j)["integrity"] = {{"type", "hmac(sha256)"},
                                         {"journal_encryption", "none"},
                                         {"journal_integrity", "none"}};
         },
         ErrorCode::HeaderRefused, "integrity"},
        {"SectorSize", [](json &j) { segment0(j)["sector_size"] = 1536; }, ErrorCode::HeaderRefused,
         "1536 bytes"},
        {"UnknownFlag",
         [](json &j) {
             j["config"]["flags"] = {"allow-discards", "future"};
         },
         ErrorCode::HeaderRefused, "flag \"future\""},
        {"UnknownRequirement", [](json &j) { j["config"]["requirements"]["mandatory"] = {"opal"}; },
         ErrorCode::HeaderRefused, "requirement \"opal\""},
        {"OfflineReencryption",
         [](json &j) { j["config"]["requirements"]["mandatory"] = {"offline-reencrypt"}; },
         ErrorCode::HeaderRefused, "a reencryption of this volume"},
        {"OnlineReencryption",
         [](json &j) { j["config"]["requirements"]["mandatory"] = {"online-reencrypt-v2"}; },
         ErrorCode::HeaderRefused, "a reencryption of this volume"},
        {"UnknownDigest", [](json &j) { j["digests"]["0"]["type"] = "argon2id"; },
         ErrorCode::HeaderRefused, "digest"},
        {"EndlessDigest", [](json &j) { j["digests"]["0"]["iterations"] = 2000000000; },
         ErrorCode::HeaderRefused, "2000000000 iterations"},
    };
    return list;
}

const auto nameOf = [](const auto &info) { return std::string(info.param.name); };
INSTANTIATE_TEST_SUITE_P(Headers, RefusedContent, ::testing::ValuesIn(refusedContents()), nameOf);

// --- Contents that make no sense -----------------------------------------------------------------

class CorruptContent : public HeaderOnDisk, public ::testing::WithParamInterface<BadContent> {};

TEST_P(CorruptContent, IsNeverUsed) {
    editor_->change(GetParam().edit);
    expectRefused(GetParam().code, GetParam().text);
}

const std::vector<BadContent> &corruptContents() {
    constexpr ErrorCode corrupt = ErrorCode::HeaderCorrupt;
    static const std::vector<BadContent> list{
        {"AreaUponMetadata", [](json &j) { slot0(j)["area"]["offset"] = "4096"; }, corrupt,
         "the area of key slot 0"},
        {"AreaBehindTheHeader", [](json &j) { slot0(j)["area"]["offset"] = "16777216"; }, corrupt,
         "the area of key slot 0"},
        {"AreaReachesIntoData", [](json &j) { slot0(j)["area"]["size"] = "16777216"; }, corrupt,
         "the area of key slot 0"},
        {"AreaWraps", [](json &j) { slot0(j)["area"]["size"] = "18446744073709551615"; }, corrupt,
         "the area of key slot 0"},
        {"AreaIsNoNumber", [](json &j) { slot0(j)["area"]["offset"] = "0x40000"; }, corrupt,
         "offset is no number"},
        {"AreaIsTooLargeANumber",
         [](json &j) { slot0(j)["area"]["offset"] = "99999999999999999999"; }, corrupt,
         "offset is no number"},
        {"AreaIsNegative", [](json &j) { slot0(j)["area"]["offset"] = "-4096"; }, corrupt,
         "offset is no number"},
        {"AreasOverlap",
         [](json &j) { slot0(j)["area"]["offset"] = j["keyslots"]["1"]["area"]["offset"]; },
         corrupt, "overlap"},
        {"AreaTooSmallForItsKey", [](json &j) { slot0(j)["area"]["size"] = "4096"; }, corrupt,
         "too small for its key"},
        {"HugeKey", [](json &j) { slot0(j)["key_size"] = 2147483647; }, corrupt,
         "key_size is too large"},
        {"NoKey", [](json &j) { slot0(j)["key_size"] = 0; }, corrupt, "no length"},
        {"KeyIsText", [](json &j) { slot0(j)["key_size"] = "64"; }, corrupt, "no number key_size"},
        {"HugeAreaKey", [](json &j) { slot0(j)["area"]["key_size"] = 2147483647; }, corrupt,
         "key_size is too large"},
        {"NegativeCost", [](json &j) { slot0(j)["kdf"]["time"] = -1; }, corrupt, "no number time"},
        {"FractionalCost", [](json &j) { slot0(j)["kdf"]["memory"] = 1.5; }, corrupt,
         "no number memory"},
        {"SlotNumberTooLarge", [](json &j) { j["keyslots"]["32"] = slot0(j); }, corrupt,
         "wrong number"},
        {"SlotNumberIsText", [](json &j) { j["keyslots"]["x"] = slot0(j); }, corrupt,
         "wrong number"},
        {"SlotNumberTwice", [](json &j) { j["keyslots"]["00"] = slot0(j); }, corrupt,
         "wrong number"},
        {"SlotIsNoObject", [](json &j) { j["keyslots"]["2"] = 5; }, corrupt, "is no object"},
        {"NoSlots", [](json &j) { j.erase("keyslots"); }, corrupt, "no object keyslots"},
        {"NoConfiguration", [](json &j) { j.erase("config"); }, corrupt, "no object config"},
        {"WrongJsonSize", [](json &j) { j["config"]["json_size"] = "12288"; }, corrupt,
         "json_size"},
        {"HugeKeyslots", [](json &j) { j["config"]["keyslots_size"] = "9223372036854775808"; },
         corrupt, "keyslots_size"},
        {"KeyslotsBehindTheDevice",
         [](json &j) {
             j["config"]["keyslots_size"] = "33554432";
             segment0(j)["offset"] = "67108864";
         },
         corrupt, "the device has 20971520"},
        {"TokenWithoutType",
         [](json &j) {
             j["tokens"]["0"] = {{"keyslots", json::array()}};
         },
         corrupt, "no text type"},
        {"DigestOfAnAbsentSlot", [](json &j) { j["digests"]["0"]["keyslots"].push_back("9"); },
         corrupt, "key slot 9"},
        // Fine by our own reading: libcryptsetup is asked too.
        {"SlotWithoutItsAf", [](json &j) { slot0(j).erase("af"); }, corrupt, "LUKS2 header"},
        {"SlotInNoDigest", [](json &j) { j["digests"]["0"]["keyslots"] = json::array({"1"}); },
         corrupt, "LUKS2 header"},
    };
    return list;
}

INSTANTIATE_TEST_SUITE_P(Headers, CorruptContent, ::testing::ValuesIn(corruptContents()), nameOf);

// --- Contents that are accepted ------------------------------------------------------------------

TEST_F(HeaderOnDisk, KnownFlagsAndForeignTokensAreAccepted) {
    editor_->change([](json &j) {
        j["config"]["flags"] = {"allow-discards", "no-read-workqueue"};
        j["tokens"]["3"] = {{"type", "somebody"}, {"keyslots", {"1"}}, {"f", 1.10}, {"n", nullptr}};
        j["keyslots"]["1"]["priority"] = 0;
    });
    const auto header = copy();
    ASSERT_THAT(header, IsOk());
    EXPECT_THAT(header->view.flags, SizeIs(2));
    EXPECT_EQ(header->view.tokens.at(3).type, "somebody");
    EXPECT_TRUE(opens(0, "zero"));
    EXPECT_TRUE(opens(1, "one"));
}

TEST_F(HeaderOnDisk, NoSlotsIsNoError) {
    const auto store = luks::openHeaderStore(image_.path());
    ASSERT_THAT(store->destroySlot(0), IsOk());
    ASSERT_THAT(store->destroySlot(1), IsOk());
    const auto header = copy();
    ASSERT_THAT(header, IsOk());
    EXPECT_THAT(header->view.slots, SizeIs(0));
    EXPECT_THAT(luks::openSlot(*header, 0, secret("zero")), FailsWith(ErrorCode::NotFound));
}

TEST_F(HeaderOnDisk, LabelsAreMadePrintable) {
    for (const HeaderCopyOf which : {HeaderCopyOf::Primary, HeaderCopyOf::Secondary})
        editor_->patch(which, 24, std::string("a\x1b[31m\xff", 7));
    const auto header = copy();
    ASSERT_THAT(header, IsOk());
    EXPECT_EQ(header->view.label, "a?[31m?");
}

TEST_F(HeaderOnDisk, UuidMustLookLikeOne) {
    for (const HeaderCopyOf which : {HeaderCopyOf::Primary, HeaderCopyOf::Secondary})
        editor_->patch(which, 168, std::string("../../etc"));
    expectRefused(ErrorCode::HeaderRefused, "UUID");
}

}  // namespace
}  // namespace volumecrypt::test
