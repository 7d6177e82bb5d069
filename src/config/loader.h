// SPDX-License-Identifier: Apache-2.0
// Reads the YAML configuration into volume specs; reports every problem at once, each with file,
// line and column.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "model/system_paths.h"
#include "model/volume_spec.h"

namespace volumecrypt::config {

enum class Level { Error, Warning };

struct Problem {
    Level level = Level::Error;
    model::SourcePosition position;
    base::ErrorCode code = base::ErrorCode::InvalidConfig;
    std::string message;
    std::string volume;  // the ID it belongs to, where known

    // "FILE:LINE:COLUMN: MESSAGE", lines and columns from 1.
    [[nodiscard]] std::string text() const;
};

// Whether passphrases are kept (the engine, into SecretBuffer) or dropped while parsing (daemon,
// generator).
enum class Secrets { Keep, Drop };

struct Configuration {
    std::vector<model::VolumeSpec> volumes;  // valid ones only, by ID
    std::vector<Problem> problems;

    [[nodiscard]] const model::VolumeSpec *find(const model::VolumeId &id) const;
    [[nodiscard]] model::VolumeSpec *find(const model::VolumeId &id);
    [[nodiscard]] bool hasErrors() const;
};

// All *.yaml of the configuration directories: a file hides those of the same name in later
// directories, files are read in lexical order. A directory that is not there is empty. Never fails
// as a whole: problems are in the result.
Configuration load(const model::SystemPaths &paths, Secrets secrets);

// These files and no others, as they would be read in a configuration directory. What only all
// files together can say, that STATE is not declared, is not said.
Configuration loadFiles(const std::vector<std::string> &files, Secrets secrets);

// One file's text; `file` names it in positions. For load and for tests. Cross-file rules (two
// documents for one volume, lockToState without STATE) are applied by `load` and, for this text
// alone, here.
Configuration parse(const std::string &text, const std::string &file, Secrets secrets);

}  // namespace volumecrypt::config
