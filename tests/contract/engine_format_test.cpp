// SPDX-License-Identifier: Apache-2.0
// format touches blank devices only; every other content stays as it is and is named in the error.
#include <chrono>
#include <thread>

#include <sys/file.h>

#include <fcntl.h>
#include <gmock/gmock.h>

#include "base/files.h"
#include "base/unique_fd.h"
#include "support/volume_fixture.h"

namespace volumecrypt::test {
namespace {

class EngineFormatTest : public VolumeFixture {
  protected:
    void SetUp() override {
        makeImage();
        declare("- {slot: 0, nodeID: {}}\n- {slot: 1, static: {passphrase: secret}}");
    }
    void run(std::vector<std::string> argv) {
        ASSERT_EQ((Process{.argv = std::move(argv), .input = {}, .secret = {}}.run().exitCode), 0);
    }
    // Every verb that could write leaves the image alone and reports `code`, with `words` in the
    // message.
    void expectUntouched(const std::string &code, const std::string &words) {
        const std::string before = imageBytes();
        for (const char *verb : {"format", "plan", "sync"}) {
            const EngineResult result = engine(verb);
            EXPECT_EQ(result.exitCode, 1) << verb;
            EXPECT_EQ(result.code(), std::string(verb) == "format" ? "NotBlank" : code) << verb;
            EXPECT_NE(result.last().value("message", "").find(words), std::string::npos)
                << result.last().dump();
            EXPECT_FALSE(result.last().value("hint", "").empty());
        }
        EXPECT_TRUE(imageBytes() == before);
        EXPECT_EQ(engine("inspect").last().at("state"), "foreign");
    }
};

TEST_F(EngineFormatTest, Ext4IsNotTouched) {
    run({"mkfs.ext4", "-q", "-F", image_});
    expectUntouched("NotBlank", "ext4");
}

TEST_F(EngineFormatTest, Luks1IsNotTouched) {
    ASSERT_EQ(cryptsetup({"luksFormat", "--type", "luks1", "--pbkdf-force-iterations", "1000",
                          "--key-file", "-", image_},
                         "secret")
                  .exitCode,
              0);
    expectUntouched("NotLuks2", "LUKS1");
}

TEST_F(EngineFormatTest, UnknownDataIsNotTouched) {
    std::string bytes = imageBytes();
    bytes[bytes.size() - 5] = 'x';
    ASSERT_TRUE(base::writeFileAtomically(image_, bytes, 0600));
    expectUntouched("NotBlank", "");
}

TEST_F(EngineFormatTest, ALuks2VolumeIsNotFormattedAgain) {
    ASSERT_EQ(engine("format").exitCode, 0);
    const std::string before = imageBytes();
    const EngineResult again = engine("format");
    EXPECT_EQ(again.code(), "NotBlank");
    EXPECT_TRUE(imageBytes() == before);
}

TEST_F(EngineFormatTest, ForceOverwrites) {
    run({"mkfs.ext4", "-q", "-F", image_});
    const EngineResult result = engine("format", {"--force"});
    EXPECT_EQ(result.exitCode, 0) << result.last().dump();
    EXPECT_TRUE(opens(1, "secret"));
    EXPECT_EQ(engine("plan").exitCode, 0);
}

// At first boot every volume of a disk is formatted at the same time, and each needs the disk for
// itself.
TEST_F(EngineFormatTest, WaitsForADiskThatAnotherFormatHolds) {
    const auto fd = base::openFile(image_, O_RDWR);
    ASSERT_TRUE(fd);
    ASSERT_EQ(::flock(fd->get(), LOCK_EX), 0);
    std::thread release([&] {
        std::this_thread::sleep_for(std::chrono::seconds(7));
        ::flock(fd->get(), LOCK_UN);
    });
    const EngineResult result = engine("format");
    release.join();
    EXPECT_EQ(result.exitCode, 0) << result.last().dump();
}

TEST_F(EngineFormatTest, TooSmall) {
    makeImage(std::uint64_t{8} << 20);
    const EngineResult result = engine("format");
    EXPECT_EQ(result.exitCode, 1);
    EXPECT_EQ(result.code(), "NoSpace");
}

TEST_F(EngineFormatTest, AbsentDevice) {
    std::filesystem::remove(image_);
    EXPECT_EQ(engine("inspect").last().at("state"), "absent");
    EXPECT_EQ(engine("format").code(), "NotFound");
    EXPECT_EQ(engine("sync").code(), "NotFound");
}

TEST_F(EngineFormatTest, InspectTellsPeopleWhatItTellsPrograms) {
    const auto inspect = [this] {
        return Process{.argv = {VOLUMECRYPT_ENGINE, "inspect", "u-data", "--root", root_,
                                "--config-dir", configDir_},
                       .input = {},
                       .secret = {}}
            .run()
            .out;
    };
    EXPECT_EQ(inspect(), "u-data: blank\n  device:   " + image_ + "\n  pinned:   no\n");
    ASSERT_EQ(engine("format").exitCode, 0);
    const nlohmann::json seen = engine("inspect").last();
    EXPECT_EQ(seen.at("mapping"), nullptr) << "a locked volume has none";
    EXPECT_EQ(inspect(), "u-data: locked\n  device:   " + image_ +
                             "\n  uuid:     " + seen.at("uuid").get<std::string>() +
                             "\n  cipher:   aes-xts-plain64\n"
                             "  sizes:    key of 512 bits, sectors of 4096 bytes\n"
                             "  phase:    formatting\n  pinned:   no\n"
                             "  slot 0:   nodeID, managed, not tested\n"
                             "  slot 1:   static, managed, not tested\n");
}

TEST_F(EngineFormatTest, UndeclaredVolume) {
    const EngineResult result = engine("inspect", {}, {}, "u-other");
    EXPECT_EQ(result.exitCode, 1);
    EXPECT_EQ(result.code(), "NotFound");
}

TEST_F(EngineFormatTest, InvalidConfigurationNamesItsPlace) {
    writeConfig(
        "apiVersion: v1alpha1\nkind: UserVolumeConfig\nname: data\nencryption:\n  keys:\n    - "
        "{slot: 32, nodeID: {}}\n");
    const EngineResult result = engine("inspect");
    EXPECT_EQ(result.code(), "InvalidConfig");
    EXPECT_NE(result.last().at("message").get<std::string>().find("volumes.yaml:6:"),
              std::string::npos)
        << result.last().dump();
}

TEST_F(EngineFormatTest, NoObtainableKeyWritesNothing) {
    declare("- {slot: 1, static: {passphraseFile: /nonexistent/key}}");
    const std::string before = imageBytes();
    const EngineResult result = engine("format");
    EXPECT_EQ(result.code(), "NoUsableKey");
    EXPECT_TRUE(imageBytes() == before);
}

TEST_F(EngineFormatTest, EveryDocumentedBlockSize) {
    for (const std::string size : {"512", "1024", "2048", "4096"}) {
        makeImage();
        declare("- {slot: 0, static: {passphrase: abc}}", "blockSize: " + size);
        const EngineResult result = engine("format");
        ASSERT_EQ(result.exitCode, 0) << size << result.last().dump();
        EXPECT_TRUE(opens(0, "abc")) << size;
        EXPECT_NE(dump().find("sector: " + size + " [bytes]"), std::string::npos) << dump();
        EXPECT_EQ(engine("plan").exitCode, 0) << size;
    }
}

TEST_F(EngineFormatTest, ModeOfAKeyFileIsSaidWithItsCure) {
    const std::string file = directory_.write("key", "abc", std::filesystem::perms{0640});
    declare("- {slot: 0, static: {passphraseFile: " + file + "}}");
    for (const char *verb : {"format", "sync"}) {
        if (std::string(verb) == "sync") {
            std::filesystem::permissions(file, std::filesystem::perms{0600});
            ASSERT_EQ(engine("format").exitCode, 0);
            std::filesystem::permissions(file, std::filesystem::perms{0640});
        }
        const EngineResult result = engine(verb);
        EXPECT_EQ(result.code(), "NoUsableKey");
        EXPECT_NE(result.last().at("hint").get<std::string>().find("chmod 0600 " + file),
                  std::string::npos)
            << result.last().dump();
    }
}

TEST_F(EngineFormatTest, NewlineThatIsAllThatIsWrongIsNamed) {
    const std::string file = directory_.write("key", "abc", std::filesystem::perms{0600});
    declare("- {slot: 0, static: {passphraseFile: " + file + "}}");
    ASSERT_EQ(engine("format").exitCode, 0);
    directory_.write("key", "abc\n", std::filesystem::perms{0600});
    EngineResult result = engine("sync");
    EXPECT_EQ(result.code(), "NoUsableKey");
    EXPECT_NE(result.last().dump().find("ends in a newline"), std::string::npos)
        << result.last().dump();
    EXPECT_NE(result.last().dump().find("`truncate --size=-1 " + file + "`"), std::string::npos)
        << result.last().dump();
    // A secret that somebody gave.
    result = engine("sync", {}, "abc\n");
    EXPECT_EQ(result.code(), "KeyRejected");
    EXPECT_NE(result.last().dump().find("without the newline at its end it would open slot 0"),
              std::string::npos)
        << result.last().dump();
    directory_.write("key", "other", std::filesystem::perms{0600});
    EXPECT_EQ(engine("sync").last().dump().find("newline"), std::string::npos);
    // The other way: the slot was made with one.
    makeImage();
    directory_.write("key", "abc\n", std::filesystem::perms{0600});
    ASSERT_EQ(engine("format").exitCode, 0);
    result = engine("sync", {}, "abc");
    EXPECT_NE(result.last().dump().find("with a newline at its end it would open slot 0"),
              std::string::npos)
        << result.last().dump();
    directory_.write("key", "abc", std::filesystem::perms{0600});
    EXPECT_NE(engine("sync").last().dump().find("lacks a newline"), std::string::npos);
}

TEST_F(EngineFormatTest, FilesCannotBeAttached) {
    EXPECT_EQ(engine("attach").code(), "Unsupported");
}

TEST_F(EngineFormatTest, UsageErrors) {
    EXPECT_EQ(engine("explode").exitCode, 64);
    EXPECT_EQ(engine("inspect", {"--force"}).exitCode, 64);
    EXPECT_EQ(engine("inspect", {}, {}, "nonsense").exitCode, 64);
}

struct Usage {
    std::vector<std::string> words;
    std::string says;
};

TEST_F(EngineFormatTest, UsageErrorsNameTheWord) {
    const std::vector<Usage> usages{
        {{}, "VERB is required"},
        {{"attach"}, "ID is required"},
        {{"explode", "STATE"}, "explode is no verb"},
        {{"plan", "STATE", "u-data"}, "u-data is one word too many"},
        {{"plan", "STATE", "--root"}, "--root needs a value"},
        {{"plan", "STATE", "--root", "/a", "--root", "/b"}, "--root is given twice"},
        {{"plan", "STATE", "--quiet"}, "--quiet is no option"},
        {{"plan", "STATE", "-q"}, "-q is no option"},
        {{"plan", "STATE", "--verify=yes"}, "--verify=yes takes no value"},
        {{"plan", "STATE", "--output=xml"}, "--output is text|json, not \"xml\""},
        {{"rotate", "STATE", "--slot", "32"}, "--slot is 0..31, not \"32\""},
        {{"rotate", "STATE", "--slot", "-1"}, "--slot is 0..31, not \"-1\""},
        {{"rotate", "STATE", "--slot", "1x"}, "--slot is 0..31, not \"1x\""},
        {{"rotate", "STATE", "--slot", ""}, "--slot needs a value"},
        {{"wipe", "u-data", "--confirm", "u-data", "--root="}, "--root needs a value"},
        {{"format", "u-data", "--forc"}, "--forc is no option"},
        {{"plan", "u-data", "--outpu", "json"}, "--outpu is no option"},
        {{"plan", "u-data", "--outpu=json"}, "--outpu=json is no option"},
        {{"plan", "u-data", "-qx"}, "-q is no option"},
        {{"rotate", "u-data", "-32"}, "-3 is no option"},
        {{"plan", "--", "u-data", "--root", "/"}, "--root is one word too many"},
        {{"attach", "STATE", "--secret-fd", "-3"}, "--secret-fd is FD, not \"-3\""},
        {{"add-key", "STATE", "--kind", "nodeID"}, "--kind is passphrase|recovery, not \"nodeID\""},
    };
    for (const Usage &usage : usages) {
        std::vector<std::string> argv{VOLUMECRYPT_ENGINE};
        argv.insert(argv.end(), usage.words.begin(), usage.words.end());
        const auto done = Process{.argv = std::move(argv), .input = {}, .secret = {}}.run();
        EXPECT_EQ(done.exitCode, 64) << usage.says;
        EXPECT_EQ(done.err,
                  "volumecrypt-engine: " + usage.says + "\nTry 'volumecrypt-engine --help'.\n");
        EXPECT_EQ(done.out, "");
    }
}

TEST_F(EngineFormatTest, HelpAndVersionAreNoErrors) {
    for (const char *word : {"-h", "--help", "--version"}) {
        const auto done =
            Process{.argv = {VOLUMECRYPT_ENGINE, word}, .input = {}, .secret = {}}.run();
        EXPECT_EQ(done.exitCode, 0) << word;
        EXPECT_EQ(done.err, "") << word;
        EXPECT_THAT(done.out, testing::HasSubstr("volumecrypt-engine")) << word;
    }
}

TEST_F(EngineFormatTest, SecretsStayOutOfTheOutput) {
    const EngineResult result = engine("format");
    for (const auto &line : result.lines) EXPECT_EQ(line.dump().find("secret"), std::string::npos);
    EXPECT_EQ(result.err.find("secret"), std::string::npos);
}

}  // namespace
}  // namespace volumecrypt::test
