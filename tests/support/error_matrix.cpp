// SPDX-License-Identifier: Apache-2.0
// Runs the rows of an error table.
#include "support/error_matrix.h"

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "base/files.h"

namespace volumecrypt::test {
namespace {

void replaceAll(std::string &text, const std::string &what, const std::string &with) {
    for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + with.size()))
        text.replace(at, what.size(), with);
}

// What the engine may keep: pins, staged wipes. An error changes none of it.
std::string keptState(const std::string &root) {
    std::string text;
    std::error_code ignored;
    std::set<std::string> paths;
    for (const auto &entry :
         std::filesystem::recursive_directory_iterator(root + "/etc/volumecrypt/state", ignored))
        if (entry.is_regular_file()) paths.insert(entry.path());
    for (const auto &path : paths) text += path + "=" + base::readFile(path).value_or("?") + "\n";
    return text;
}

}  // namespace

void ErrorMatrix::luksFormat(const std::string &passphrase, unsigned slot,
                             const std::vector<std::string> &more) {
    std::vector<std::string> arguments{"luksFormat", "--type",     "luks2",
                                       "--pbkdf",    "pbkdf2",     "--pbkdf-force-iterations",
                                       "1000",       "--key-slot", std::to_string(slot),
                                       "--key-file", "-"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    arguments.push_back(image_);
    const ProcessResult done = cryptsetup(arguments, passphrase);
    ASSERT_EQ(done.exitCode, 0) << done.err;
}

void ErrorMatrix::luksAddKey(const std::string &passphrase, const std::string &added,
                             unsigned slot) {
    const std::string file = directory_.write("added-key", added, std::filesystem::perms{0600});
    const ProcessResult done =
        cryptsetup({"luksAddKey", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000",
                    "--new-key-slot", std::to_string(slot), "--key-file", "-", image_, file},
                   passphrase);
    ASSERT_EQ(done.exitCode, 0) << done.err;
}

void ErrorMatrix::formatted(const std::string &keys, const std::string &encryptionExtra) {
    declare(keys, encryptionExtra);
    const EngineResult done = engine("format");
    ASSERT_EQ(done.exitCode, 0) << done.last().dump();
}

void ErrorMatrix::overwriteImage(std::uint64_t offset, const std::string &bytes) {
    std::fstream file(image_, std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(static_cast<std::streamoff>(offset));
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    ASSERT_TRUE(file.flush());
}

std::string ErrorMatrix::readable(std::string text) const {
    replaceAll(text, image_, "IMAGE");
    replaceAll(text, configDir_, "CONFIG");
    replaceAll(text, root_, "ROOT");
    return text;
}

ProcessResult ErrorMatrix::run(const ErrorCase &row, const std::string &output) const {
    Process process{.argv = row.wrapper, .input = {}, .secret = row.secret};
    const std::vector<std::string> engine{
        VOLUMECRYPT_ENGINE, row.verb,   "u-data",     "--root",   root_,
        "--config-dir",     configDir_, "--test-kdf", "--output", output};
    process.argv.insert(process.argv.end(), engine.begin(), engine.end());
    if (row.secret) process.argv.insert(process.argv.end(), {"--secret-fd", "3"});
    process.argv.insert(process.argv.end(), row.arguments.begin(), row.arguments.end());
    return process.run();
}

void ErrorMatrix::checkJson(const ErrorCase &row, const ProcessResult &result) const {
    EXPECT_EQ(result.exitCode, row.retry ? 75 : 1);
    std::istringstream lines(result.out);
    nlohmann::json last;
    int ends = 0;
    for (std::string text; std::getline(lines, text);) {
        last = nlohmann::json::parse(text);
        if (last.at("type") == "error" || last.at("type") == "result") ++ends;
    }
    ASSERT_EQ(ends, 1) << result.out;
    std::set<std::string> members;
    for (const auto &[name, value] : last.items()) members.insert(name);
    members.erase("keys");  // where declared keys were tried
    EXPECT_EQ(members, (std::set<std::string>{"code", "hint", "message", "retry", "slot", "type",
                                              "verb", "volume"}))
        << last.dump();
    ASSERT_EQ(last.at("type"), "error") << last.dump();
    EXPECT_EQ(last.at("verb"), row.verb);
    EXPECT_EQ(last.at("volume"), "u-data");
    EXPECT_EQ(last.at("code"), row.code);
    EXPECT_THAT(readable(last.at("message")), row.message);
    EXPECT_EQ(readable(last.at("hint")), row.hint);
    EXPECT_EQ(last.at("retry"), row.retry);
    EXPECT_EQ(last.at("slot"), row.slot ? nlohmann::json(*row.slot) : nlohmann::json(nullptr));
}

void ErrorMatrix::checkText(const ErrorCase &row, const ProcessResult &result) const {
    EXPECT_EQ(result.exitCode, row.retry ? 75 : 1);
    const std::string text = readable(result.err);
    const std::string begin = "u-data: " + row.verb + " failed: ";
    const std::string end =
        " (" + row.code + ")\n" + (row.hint.empty() ? "" : "u-data: hint: " + row.hint + "\n");
    const auto at = text.find(begin);
    ASSERT_NE(at, std::string::npos) << text;
    ASSERT_TRUE(text.ends_with(end)) << text << "instead of " << end;
    const auto from = at + begin.size();
    EXPECT_THAT(text.substr(from, text.size() - end.size() - from), row.message);
}

void ErrorMatrix::check(const ErrorCase &row) {
    makeImage(std::uint64_t{20} << 20);
    ASSERT_NO_FATAL_FAILURE(row.prepare(*this));
    const std::string before = imageBytes();
    const std::string kept = keptState(root_);
    checkJson(row, run(row, "json"));
    EXPECT_TRUE(imageBytes() == before) << "the device was changed";
    checkText(row, run(row, "text"));
    EXPECT_TRUE(imageBytes() == before) << "the device was changed";
    EXPECT_EQ(keptState(root_), kept);
}

}  // namespace volumecrypt::test
