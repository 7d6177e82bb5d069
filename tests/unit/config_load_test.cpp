// SPDX-License-Identifier: Apache-2.0
// Configuration directories: order, hiding, permissions, files that are none; and the examples of
// the Talos documentation.
#include <filesystem>
#include <string>
#include <vector>

#include <sys/stat.h>

#include <unistd.h>

#include "base/files.h"
#include "config_case.h"
#include "support/temp_dir.h"

namespace volumecrypt::config::test {
namespace {

namespace fs = std::filesystem;

const std::string kSecretKey = "encryption:\n  keys:\n    - static:\n        passphrase: hunter2\n";

class ConfigLoad : public testing::Test {
  protected:
    std::string write(const std::string &name, const std::string &text, unsigned mode = 0600) {
        std::string path = directory_.path() + "/" + name;
        EXPECT_TRUE(base::writeFileAtomically(path, text, mode));
        return path;
    }

    [[nodiscard]] Configuration loadRoot(Secrets secrets = Secrets::Keep) const {
        return load(model::SystemPaths(directory_.path()), secrets);
    }

    // The problems with the directory cut off.
    [[nodiscard]] std::vector<std::string> lines(const Configuration &configuration) const {
        std::vector<std::string> result;
        for (const Problem &problem : configuration.problems) {
            std::string text = problem.text();
            for (std::size_t at = text.find(directory_.path()); at != std::string::npos;
                 at = text.find(directory_.path()))
                text.erase(at, directory_.path().size());
            result.push_back((problem.level == Level::Warning ? "warning " : "") + text);
        }
        return result;
    }

    volumecrypt::test::TempDir directory_;
};

std::vector<std::string> ids(const Configuration &configuration) {
    std::vector<std::string> result;
    for (const model::VolumeSpec &spec : configuration.volumes) result.push_back(spec.id.text());
    return result;
}

using Lines = std::vector<std::string>;

std::string user(const std::string &name, const std::string &rest = "") {
    return "apiVersion: v1alpha1\nkind: UserVolumeConfig\nname: " + name + "\n" + rest;
}

TEST_F(ConfigLoad, NoDirectoriesAreNoVolumes) {
    const Configuration result = loadRoot();
    EXPECT_TRUE(result.volumes.empty());
    EXPECT_TRUE(result.problems.empty());
}

TEST_F(ConfigLoad, ReadsAllDirectoriesAndOnlyYamlFiles) {
    write("etc/volumecrypt/a.yaml", user("a"));
    write("run/volumecrypt/config/b.yaml", user("b"));
    write("usr/lib/volumecrypt/c.yaml", user("c"));
    write("etc/volumecrypt/README", "no: yaml: at all");
    write("etc/volumecrypt/.hidden.yaml", user("hidden"));
    write("etc/volumecrypt/old.yaml~", user("old"));
    write("etc/volumecrypt/d.yml", user("d"));
    const Configuration result = loadRoot();
    EXPECT_EQ(ids(result), (Lines{"u-a", "u-b", "u-c"}));
    EXPECT_EQ(lines(result), Lines{"warning /etc/volumecrypt/d.yml: is not read: the name has to "
                                   "end with .yaml"});
}

TEST_F(ConfigLoad, AFileHidesItsNamesakeInALaterDirectory) {
    write("etc/volumecrypt/a.yaml", user("from-etc"));
    write("run/volumecrypt/config/a.yaml", user("from-run"));
    write("run/volumecrypt/config/b.yaml", user("b-from-run"));
    write("usr/lib/volumecrypt/a.yaml", user("from-usr"));
    write("usr/lib/volumecrypt/b.yaml", user("b-from-usr"));
    EXPECT_EQ(ids(loadRoot()), (Lines{"u-b-from-run", "u-from-etc"}));
}

TEST_F(ConfigLoad, ALinkToDevNullHidesANamesake) {
    write("usr/lib/volumecrypt/a.yaml", user("from-usr"));
    fs::create_directories(directory_.path() + "/etc/volumecrypt");
    fs::create_symlink("/dev/null", directory_.path() + "/etc/volumecrypt/a.yaml");
    const Configuration result = loadRoot();
    EXPECT_EQ(ids(result), Lines());
    EXPECT_EQ(lines(result), Lines());
}

TEST_F(ConfigLoad, OwnDirectoriesReplaceTheDefaultOnes) {
    write("etc/volumecrypt/a.yaml", user("default"));
    write("mine/a.yaml", user("mine"));
    const model::SystemPaths paths(directory_.path(), {directory_.path() + "/mine"});
    EXPECT_EQ(ids(load(paths, Secrets::Keep)), Lines{"u-mine"});
}

TEST_F(ConfigLoad, ProblemsAreInTheOrderOfTheFileNames) {
    write("usr/lib/volumecrypt/10.yaml", user("a", "color: red\n"));
    write("etc/volumecrypt/20.yaml", user("b", "mount: x\ncolor: red\n"));
    write("run/volumecrypt/config/15.yaml", user("c", "\tx\n"));
    EXPECT_EQ(lines(loadRoot()),
              (Lines{"/usr/lib/volumecrypt/10.yaml:4:1: unknown field \"color\"",
                     "/run/volumecrypt/config/15.yaml:4:1: a tab may not indent YAML: use spaces",
                     "/etc/volumecrypt/20.yaml:4:8: mount must be a map, not text",
                     "/etc/volumecrypt/20.yaml:5:1: unknown field \"color\""}));
}

TEST_F(ConfigLoad, RulesBetweenFiles) {
    write("etc/volumecrypt/a.yaml", user("a"));
    write("etc/volumecrypt/b.yaml", user("a"));
    write("etc/volumecrypt/c.yaml",
          user("c", "encryption: {keys: [{nodeID: {}, lockToState: true}]}\n"));
    const Configuration result = loadRoot();
    EXPECT_EQ(lines(result),
              (Lines{"/etc/volumecrypt/b.yaml:1:1: u-a is declared twice, first at "
                     "/etc/volumecrypt/a.yaml:1:1",
                     "/etc/volumecrypt/c.yaml:4:47: the key is locked to STATE, but no document "
                     "declares the \"STATE\" volume"}));
    EXPECT_EQ(ids(result), Lines());
}

TEST_F(ConfigLoad, StateOfAnotherFileIsDeclared) {
    write("usr/lib/volumecrypt/state.yaml", systemVolume("STATE", ""));
    write("etc/volumecrypt/c.yaml",
          user("c", "encryption: {keys: [{nodeID: {}, lockToState: true}]}\n"));
    const Configuration result = loadRoot();
    EXPECT_EQ(lines(result), Lines());
    EXPECT_EQ(ids(result), (Lines{"STATE", "u-c"}));
}

TEST_F(ConfigLoad, FilesThatAreNone) {
    fs::create_directories(directory_.path() + "/etc/volumecrypt/dir.yaml");
    ASSERT_EQ(::mkfifo((directory_.path() + "/etc/volumecrypt/fifo.yaml").c_str(), 0600), 0);
    fs::create_symlink("nowhere", directory_.path() + "/etc/volumecrypt/link.yaml");
    write("etc/volumecrypt/huge.yaml", std::string((std::size_t{1} << 20) + 1, '#'));
    write("etc/volumecrypt/good.yaml", user("good"));
    const Configuration result = loadRoot();
    ASSERT_EQ(result.problems.size(), 4U);
    const Lines all = lines(result);
    EXPECT_EQ(all[0], "/etc/volumecrypt/dir.yaml: is not a regular file");
    EXPECT_EQ(all[1], "/etc/volumecrypt/fifo.yaml: is not a regular file");
    EXPECT_EQ(all[2], "/etc/volumecrypt/huge.yaml: the file is larger than 1 MiB");
    EXPECT_EQ(all[3],
              "/etc/volumecrypt/link.yaml: open /etc/volumecrypt/link.yaml: No such file or "
              "directory");
    EXPECT_EQ(ids(result), Lines{"u-good"});
}

TEST_F(ConfigLoad, ADirectoryThatIsAFile) {
    write("etc/volumecrypt", "x");
    EXPECT_EQ(lines(loadRoot()), Lines{"/etc/volumecrypt: cannot be listed: Not a directory"});
}

TEST_F(ConfigLoad, AFileWithAPassphraseMustBeSecret) {
    for (const unsigned mode : {0644U, 0640U, 0604U, 0620U, 0602U, 0666U}) {
        write("etc/volumecrypt/a.yaml", user("a", kSecretKey) + "---\n" + user("b"), mode);
        for (const Secrets secrets : {Secrets::Keep, Secrets::Drop}) {
            const Configuration result = loadRoot(secrets);
            char octal[8];
            std::snprintf(octal, sizeof octal, "%04o", mode);
            EXPECT_EQ(lines(result),
                      Lines{std::string("/etc/volumecrypt/a.yaml:7:21: the file holds a passphrase "
                                        "but others may read or write it (mode ") +
                            octal + "): chmod it to 0600"});
            EXPECT_EQ(ids(result), Lines()) << "the whole file is refused";
        }
    }
    for (const unsigned mode : {0600U, 0400U, 0700U}) {
        write("etc/volumecrypt/a.yaml", user("a", kSecretKey), mode);
        EXPECT_EQ(lines(loadRoot()), Lines()) << mode;
    }
}

TEST_F(ConfigLoad, AFileWithoutAPassphraseMayBeRead) {
    write("etc/volumecrypt/a.yaml",
          user("a", "encryption: {keys: [{static: {passphraseFile: /etc/key}}]}\n"), 0644);
    EXPECT_EQ(lines(loadRoot()), Lines());
}

TEST_F(ConfigLoad, AFileWithAPassphraseMustBeOurs) {
    const std::string path = write("etc/volumecrypt/a.yaml", user("a", kSecretKey));
    // Whoever runs the tests: a file of theirs is fine unless root is asked to trust it.
    EXPECT_EQ(lines(loadRoot()), Lines());
    if (::geteuid() != 0) return;  // only root can give files away
    ASSERT_EQ(::chown(path.c_str(), 65534, 0), 0);
    EXPECT_EQ(lines(loadRoot()),
              Lines{"/etc/volumecrypt/a.yaml:7:21: the file holds a passphrase but belongs to uid "
                    "65534: it must belong to root, chown it"});
}

TEST_F(ConfigLoad, APassphraseInASkippedDocumentCounts) {
    write("etc/volumecrypt/a.yaml", "kind: Other\nstatic: {passphrase: hunter2}\n", 0644);
    EXPECT_TRUE(loadRoot().hasErrors());
}

class ConfigTalosPage : public testing::TestWithParam<int> {};

// Each block of the documentation page on disk encryption, as somebody would paste it.
TEST_P(ConfigTalosPage, LoadsWithoutAProblem) {
    const std::string path =
        std::string(TEST_DATA) + "/talos-page-" + std::to_string(GetParam()) + ".yaml";
    const auto text = base::readFile(path);
    ASSERT_TRUE(text) << path;
    const Configuration result = parse(*text, path, Secrets::Keep);
    EXPECT_TRUE(result.problems.empty()) << result.problems.at(0).text();
    const std::vector<Lines> expected{{"EPHEMERAL", "STATE"},
                                      {"u-my-user-volume"},
                                      {"EPHEMERAL", "STATE"},
                                      {"EPHEMERAL"},
                                      {"EPHEMERAL"}};
    EXPECT_EQ(ids(result), expected.at(static_cast<std::size_t>(GetParam() - 1)));
    for (const model::VolumeSpec &spec : result.volumes) EXPECT_TRUE(spec.encryption);
}
INSTANTIATE_TEST_SUITE_P(Blocks, ConfigTalosPage, testing::Range(1, 6));

}  // namespace
}  // namespace volumecrypt::config::test
