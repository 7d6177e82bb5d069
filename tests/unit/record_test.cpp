// SPDX-License-Identifier: Apache-2.0
// The record's text: what goes in comes out, and what is not a record is told apart from what a
// newer version wrote.
#include "model/record.h"

#include <gtest/gtest.h>

namespace volumecrypt::model {
namespace {

RecordSlot sampleSlot() {
    RecordSlot slot;
    slot.kind = KeyKind::Static;
    slot.origin = Origin::Added;
    slot.lockedToState = true;
    slot.saltDigest = std::string(32, '\x01');
    slot.paramsDigest = std::string(32, '\x7f');
    slot.areaDigest = std::string(32, '\x80');
    slot.check = std::string(32, '\xff');
    return slot;
}

Record sampleRecord() {
    Record record;
    record.volume = "u-data";
    record.phase = Phase::Ready;
    record.slots[0] = sampleSlot();
    record.slots[31] = RecordSlot{};
    Pending pending;
    pending.operation = PendingOperation::Replace;
    pending.slot = 0;
    pending.spare = 30;
    pending.token = R"({"type":"sideroKMS"})";
    pending.entry = sampleSlot();
    record.pending = pending;
    record.mac = std::string(32, 'm');
    return record;
}

TEST(RecordTest, SurvivesItsText) {
    const Record record = sampleRecord();
    const auto again = Record::fromJson(record.toJson());
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(again->volume, "u-data");
    EXPECT_EQ(again->phase, Phase::Ready);
    EXPECT_EQ(again->slots, record.slots);
    EXPECT_EQ(again->pending, record.pending);
    EXPECT_EQ(again->mac, record.mac);
    EXPECT_EQ(again->toJson(), record.toJson());
}

TEST(RecordTest, MacCoversEverythingButItself) {
    Record record = sampleRecord();
    const std::string before = record.authenticatedText();
    record.mac = std::string(32, 'x');
    EXPECT_EQ(record.authenticatedText(), before);
    record.slots[0].origin = Origin::Declared;
    EXPECT_NE(record.authenticatedText(), before);
}

// Earlier versions know no mark: they pass over the member, and compute the MAC without it.
TEST(RecordTest, TheMarkOfTheMachineChangesNothingThatEarlierVersionsRead) {
    Record record = sampleRecord();
    const std::string unmarked = record.toJson();
    const std::string covered = record.authenticatedText();
    record.machine = std::string(32, 'h');
    EXPECT_EQ(record.authenticatedText(), covered);
    EXPECT_EQ(Record::fromJson(record.toJson())->machine, record.machine);
    EXPECT_EQ(Record::fromJson(record.toJson())->slots, record.slots);
    EXPECT_TRUE(Record::fromJson(unmarked)->machine.empty());
    record.machine.clear();
    EXPECT_EQ(record.toJson(), unmarked);
}

TEST(RecordTest, AJobSurvivesItsTextAndRaisesTheVersion) {
    Record record = sampleRecord();
    EXPECT_NE(record.toJson().find("\"version\":1"), std::string::npos);
    const std::string covered = record.authenticatedText();
    record.job = Job{.operation = JobOperation::Reencrypt,
                     .slots = {{0, 30}, {3, 29}},
                     .final = record.toJson(),
                     .mac = std::string(32, 'n')};
    EXPECT_NE(record.toJson().find("\"version\":2"), std::string::npos);
    const auto read = Record::fromJson(record.toJson());
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(read->job, record.job);
    EXPECT_EQ(read->authenticatedText(), record.authenticatedText());
    EXPECT_NE(record.authenticatedText(), covered) << "the MAC covers the job";
    Record other = record;
    other.job->mac = std::string(32, 'o');
    EXPECT_EQ(other.authenticatedText(), record.authenticatedText());
    other.job->slots[3] = 28;
    EXPECT_NE(other.authenticatedText(), record.authenticatedText());
}

TEST(RecordTest, AJobThatIsUnknownIsCorrupt) {
    Record record = sampleRecord();
    record.job = Job{};
    const std::string text = record.toJson();
    for (const auto &[from, to] : {std::pair("\"op\":\"reencrypt\"", "\"op\":\"compress\""),
                                   std::pair("\"final\":\"\"", "\"final\":7"),
                                   std::pair("\"slots\":{}", "\"slots\":{\"0\":32}")}) {
        std::string bad = text;
        // The job's members, not those of the record.
        const auto at = bad.find(from, bad.find("\"job\""));
        ASSERT_NE(at, std::string::npos) << from;
        bad.replace(at, std::string(from).size(), to);
        const auto read = Record::fromJson(bad);
        ASSERT_FALSE(read) << bad;
        EXPECT_EQ(read.error().code, base::ErrorCode::HeaderCorrupt);
    }
}

TEST(RecordTest, NewerVersionIsUnsupported) {
    std::string text = sampleRecord().toJson();
    text.replace(text.find("\"version\":1"), 11, "\"version\":2");
    const auto record = Record::fromJson(text);
    ASSERT_FALSE(record);
    EXPECT_EQ(record.error().code, base::ErrorCode::Unsupported);
    EXPECT_EQ(record.error().message,
              "the record was written by a newer version of volumecrypt (it is of version 2, this "
              "program knows version 1)");
    EXPECT_EQ(record.error().hint, "Update volumecrypt; nothing was changed.");
}

class BadRecordTest : public testing::TestWithParam<std::pair<const char *, const char *>> {};

TEST_P(BadRecordTest, IsCorrupt) {
    std::string text = sampleRecord().toJson();
    const auto [from, to] = GetParam();
    const auto at = text.find(from);
    ASSERT_NE(at, std::string::npos) << from;
    text.replace(at, std::string(from).size(), to);
    const auto record = Record::fromJson(text);
    ASSERT_FALSE(record) << text;
    EXPECT_EQ(record.error().code, base::ErrorCode::HeaderCorrupt);
}

INSTANTIATE_TEST_SUITE_P(
    Texts, BadRecordTest,
    testing::Values(
        std::pair{"{", ""}, std::pair{"\"static\"", "\"magic\""},
        std::pair{"\"ready\"", "\"done\""}, std::pair{"\"added\"", "\"found\""},
        std::pair{"\"31\"", "\"32\""}, std::pair{"\"31\"", "\"x\""},
        std::pair{"\"spare\":30", "\"spare\":-1"}, std::pair{"\"replace\"", "\"swap\""},
        std::pair{"ffff", "ff"}, std::pair{"ffff", "fxff"}, std::pair{"\"volume\"", "\"vol\""},
        std::pair{"\"version\":1", "\"version\":1e30"},
        std::pair{"\"version\":1", "\"version\":1.0"}, std::pair{"\"version\":1", "\"version\":-1"},
        std::pair{"\"version\":1", "\"version\":true"}, std::pair{"\"spare\":30", "\"spare\":1e30"},
        std::pair{"\"spare\":30", "\"spare\":4294967296"}));

}  // namespace
}  // namespace volumecrypt::model
