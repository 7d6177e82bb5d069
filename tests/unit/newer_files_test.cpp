// SPDX-License-Identifier: Apache-2.0
// What the daemon leaves below /run for the one after it, when that one is older: it reads what it
// can, and takes nothing away that it does not understand.
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <set>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "base/files.h"
#include "daemon/job_store.h"
#include "daemon/lock_marks.h"
#include "daemon/outcome_file.h"
#include "daemon/volume_table.h"
#include "support/temp_dir.h"

namespace volumecrypt::daemon {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class NewerFiles : public testing::Test {
  protected:
    void write(const std::string &path, const std::string &text) const {
        std::filesystem::create_directories(std::filesystem::path(path).parent_path());
        std::ofstream(path) << text;
    }
    [[nodiscard]] static std::string read(const std::string &path) {
        const auto text = base::readFile(path);
        return text ? *text : "(absent)";
    }

    test::TempDir directory_;
    model::SystemPaths paths_{directory_.path()};
    const model::VolumeId data_ = *model::VolumeId::parse("u-data");
};

TEST_F(NewerFiles, AJobIsNotOursToEnd) {
    const std::string folder = paths_.jobDir() + "/";
    JobStore store(paths_.jobDir());
    ASSERT_EQ(store.takeNumber(), 1U);
    store.save({.number = 1, .operation = "sync", .volume = "u-data", .handle = "unit"});
    json newer = json::parse(read(folder + "1.json"));
    EXPECT_EQ(newer.at("version"), 1);
    newer["number"] = 7;
    newer["version"] = 2;
    const json other{{"version", 3}, {"jobs", {{"operation", "sync"}}}};
    write(folder + "7.json", newer.dump());
    write(folder + "7.out", "what its engine says");
    write(folder + "8.json", other.dump());
    write(folder + "9.json", "no record at all");
    write(folder + "9.out", "");
    const auto records = store.load();
    ASSERT_THAT(records, SizeIs(1));
    EXPECT_EQ(records.front().number, 1U);
    EXPECT_EQ(read(folder + "7.json"), newer.dump());
    EXPECT_EQ(read(folder + "7.out"), "what its engine says");
    EXPECT_EQ(read(folder + "8.json"), other.dump());
    EXPECT_FALSE(std::filesystem::exists(folder + "9.json"));
    EXPECT_FALSE(std::filesystem::exists(folder + "9.out"));
}

TEST_F(NewerFiles, AJobWithoutAVersionIsOneOfOurs) {
    JobStore store(paths_.jobDir());
    store.save({.number = 1, .operation = "sync", .volume = "u-data", .handle = "unit"});
    json old = json::parse(read(paths_.jobDir() + "/1.json"));
    old.erase("version");
    old["later"] = {1, 2, 3};
    write(paths_.jobDir() + "/1.json", old.dump());
    EXPECT_THAT(store.load(), SizeIs(1));
}

// Outcomes have no version: what is added is passed over, what is new altogether says nothing.
TEST_F(NewerFiles, AnOutcomeSaysWhatIsUnderstood) {
    const OutcomeFiles outcomes(paths_);
    const std::string path = paths_.outcome(data_, "sync");
    const json more{{"type", "result"},
                    {"verb", "sync"},
                    {"volume", "u-data"},
                    {"changed", true},
                    {"state", "unlocked"},
                    {"later", {{"a", 1}}},
                    {"keys", {{{"slot", 0}, {"health", "ok"}, {"later", 1}}}}};
    write(path, more.dump() + "\n");
    const auto read = outcomes.read(data_, "sync");
    ASSERT_TRUE(read && read->result);
    for (const std::string text :
         {R"({"type":"summary","verb":"sync"})", R"({"type":7})", "[1]", "not JSON"}) {
        write(path, text);
        EXPECT_FALSE(outcomes.read(data_, "sync")) << text;
        EXPECT_THAT(outcomes.readAll(data_), IsEmpty()) << text;
        EXPECT_EQ(NewerFiles::read(path), text);
    }
}

// A mark is a file by the volume's name, whatever is in it; other names are somebody's.
TEST_F(NewerFiles, AMarkHoldsWhateverIsInIt) {
    const std::string folder = paths_.below("/run/volumecrypt/locked/");
    write(folder + "u-data", R"({"version":2,"by":1000})");
    write(folder + "version", "2");
    write(folder + "u-gone", "");
    VolumeTable volumes;
    config::Configuration configuration;
    configuration.volumes.emplace_back(data_);
    volumes.configure(std::move(configuration));
    LockMarks(paths_).recall(volumes);
    EXPECT_TRUE(volumes.find("u-data")->lockedOnPurpose());
    std::set<std::string> left;
    for (const auto &entry : std::filesystem::directory_iterator(folder))
        left.insert(entry.path().filename());
    EXPECT_THAT(left, ElementsAre("u-data", "version"));
    EXPECT_EQ(read(folder + "u-data"), R"({"version":2,"by":1000})");
}

}  // namespace
}  // namespace volumecrypt::daemon
