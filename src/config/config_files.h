// SPDX-License-Identifier: Apache-2.0
// Finds and reads the configuration files.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "base/result.h"
#include "base/secret_buffer.h"
#include "config/loader.h"
#include "model/system_paths.h"

namespace volumecrypt::config {

struct FileContent {
    base::SecretBuffer text;
    uid_t owner = 0;
    mode_t mode = 0;  // permission bits

    [[nodiscard]] std::string_view view() const { return {text.chars(), text.size()}; }
};

// The paths of the files to read, in lexical order of their names. What is odd about a directory is
// added to `problems`.
std::vector<std::string> findFiles(const model::SystemPaths &paths, std::vector<Problem> &problems);

// Why a file of this name is not read in a configuration directory; empty when it is.
std::string nameFault(const std::string &path);

// Symbolic links are followed; /dev/null is an empty file, which hides one of the same name in a
// later directory.
base::Result<FileContent> readConfigFile(const std::string &path);

// What is wrong with owner or mode for a file with a passphrase in it; empty when nothing is.
std::string secrecyFault(const FileContent &file);

}  // namespace volumecrypt::config
