// SPDX-License-Identifier: Apache-2.0
// Collects the problems of one file while its documents are read.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "config/loader.h"
#include "config/yaml_tree.h"

namespace volumecrypt::config {

class Report {
  public:
    // After so many problems the rest of the file is not read.
    static constexpr std::size_t kMost = 1000;

    explicit Report(std::string file) : file_(std::move(file)) {}

    void error(const Place &place, std::string message,
               base::ErrorCode code = base::ErrorCode::InvalidConfig);
    void warning(const Place &place, std::string message);

    // The volume that the problems from now on belong to; empty: none.
    void setVolume(std::string id) { volume_ = std::move(id); }
    [[nodiscard]] std::size_t errorCount() const { return errors_; }
    [[nodiscard]] bool full() const { return problems_.size() >= kMost; }
    [[nodiscard]] model::SourcePosition position(const Place &place) const;
    [[nodiscard]] std::vector<Problem> take() { return std::move(problems_); }

  private:
    void add(Level level, const Place &place, base::ErrorCode code, std::string message);

    std::string file_;
    std::string volume_;
    std::vector<Problem> problems_;
    std::size_t errors_ = 0;
};

}  // namespace volumecrypt::config
