// SPDX-License-Identifier: Apache-2.0
// A directory of the test's own, gone when the test is.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <system_error>

namespace volumecrypt::test {

class TempDir {
  public:
    TempDir() {
        std::string name = (std::filesystem::temp_directory_path() / "volumecrypt-XXXXXX").string();
        if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp: " + name);
        path_ = name;
    }
    ~TempDir() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    TempDir(const TempDir &) = delete;
    TempDir &operator=(const TempDir &) = delete;
    TempDir(TempDir &&) = delete;
    TempDir &operator=(TempDir &&) = delete;

    [[nodiscard]] const std::string &path() const { return path_; }
    [[nodiscard]] std::string file(const std::string &name) const { return path_ + "/" + name; }
    // Makes the file and its parents; returns its path.
    std::string write(const std::string &name, const std::string &content,
                      std::filesystem::perms mode = std::filesystem::perms{0644}) const {
        const std::filesystem::path target = file(name);
        std::filesystem::create_directories(target.parent_path());
        std::ofstream(target, std::ios::binary | std::ios::trunc) << content;
        std::filesystem::permissions(target, mode);
        return target.string();
    }

  private:
    std::string path_;
};

}  // namespace volumecrypt::test
