// SPDX-License-Identifier: Apache-2.0
// Volumes to be spoiled, and volumecryptctl as the second witness.
#include "error_rows.h"

#include <fcntl.h>
#include <nlohmann/json.hpp>

#include "support/process.h"

namespace volumecrypt::test {

std::unique_ptr<TestBus> Errors::bus_;

void Errors::cryptsetup(std::vector<std::string> arguments, const std::string &input) const {
    arguments.insert(arguments.begin(), {"cryptsetup", "--batch-mode"});
    const ProcessResult done =
        Process{.argv = std::move(arguments), .input = input, .secret = {}}.run();
    ASSERT_EQ(done.exitCode, 0) << done.err;
}

void Errors::luksFormat(const std::vector<std::string> &more) const {
    std::vector<std::string> arguments{
        "luksFormat", "--type",     "luks2", "--pbkdf",    "pbkdf2", "--pbkdf-force-iterations",
        "1000",       "--key-slot", "1",     "--key-file", "-",      image_};
    arguments.insert(arguments.end(), more.begin(), more.end());
    cryptsetup(arguments, "secret");
}

void Errors::addForeignKey() const {
    cryptsetup({"luksAddKey", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000",
                "--new-key-slot", "7", "--key-file", "-", image_,
                daemon_.folder().write("theirs", "theirs", std::filesystem::perms{0600})},
               "secret");
}

void Errors::sync() {
    const Finished done = client_.runJob(data_, kVolume, "Sync", Options());
    ASSERT_TRUE(done.success) << done.message;
}

std::uint32_t Errors::addKey(const std::string &passphrase) {
    std::uint32_t slot = 99;
    const std::string file = daemon_.folder().write("new", passphrase);
    const sdbus::UnixFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC), sdbus::adopt_fd);
    EXPECT_EQ(client_.get(slot, data_, kVolume, "AddKey", "passphrase", fd, Options()), "");
    return slot;
}

Answer Errors::job(const char *method, const Options &options) {
    const Finished end = client_.runJob(data_, kVolume, method, options);
    if (end.success) return {};
    return answerOf(bus::busError(
        end.error.starts_with("org.") ? end.error : "org.example.VolumeCrypt.Error." + end.error,
        end.message));
}

std::string Errors::readable(std::string text) const {
    for (const auto &[path, name] : {std::pair(image_, "IMAGE"), std::pair(daemon_.root(), "ROOT"),
                                     std::pair(daemon_.folder().file("config"), "CONFIG")})
        for (auto at = text.find(path); at != std::string::npos; at = text.find(path))
            text.replace(at, path.size(), name);
    return text;
}

void Errors::checkCommand(const ErrorRow &row, const std::string &message) const {
    std::vector<std::string> argv{CTL_PROGRAM};
    argv.insert(argv.end(), row.command.begin(), row.command.end());
    const ProcessResult text = Process{.argv = argv, .input = "wrong", .secret = {}}.run();
    EXPECT_EQ(text.exitCode, row.retry ? 75 : 1) << text.out << text.err;
    EXPECT_EQ(text.out, "");
    const bool named = row.command.size() == 1 || message.starts_with("volume u-data");
    const std::string start = named ? "volumecryptctl: " : "volumecryptctl: u-data: ";
    const std::string hint = row.hint.empty() ? "" : "hint: " + row.hint + "\n";
    EXPECT_EQ(readable(text.err), start + message + "\n" + hint);

    argv.emplace_back("--json");
    const ProcessResult json = Process{.argv = argv, .input = "wrong", .secret = {}}.run();
    EXPECT_EQ(json.exitCode, row.retry ? 75 : 1);
    const auto from = json.out.rfind("{\"");
    ASSERT_NE(from, std::string::npos) << json.out;
    const auto line = nlohmann::json::parse(json.out.substr(from));
    EXPECT_EQ(line.at("type"), "error");
    EXPECT_EQ(line.at("verb"), row.command.front());
    EXPECT_EQ(line.at("code"), row.code);
    EXPECT_EQ(readable(line.at("message")), message);
    EXPECT_EQ(readable(line.at("hint")), row.hint);
    EXPECT_EQ(line.at("retry"), row.retry);
}

void Errors::checkListed() {
    const ProcessResult list =
        Process{.argv = {CTL_PROGRAM, "list"}, .input = {}, .secret = {}}.run();
    EXPECT_EQ(list.exitCode, 0) << list.err;
    const auto at = list.out.find("u-data\t");
    if (at == std::string::npos) return;
    EXPECT_THAT(list.out.substr(at), ::testing::Not(::testing::HasSubstr("\tok\t")));
}

}  // namespace volumecrypt::test
