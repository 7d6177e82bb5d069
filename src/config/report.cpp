// SPDX-License-Identifier: Apache-2.0
// Collects and cuts off the problems of one file.
#include "config/report.h"

namespace volumecrypt::config {

void Report::error(const Place &place, std::string message, base::ErrorCode code) {
    ++errors_;
    add(Level::Error, place, code, std::move(message));
}

void Report::warning(const Place &place, std::string message) {
    add(Level::Warning, place, base::ErrorCode::InvalidConfig, std::move(message));
}

model::SourcePosition Report::position(const Place &place) const {
    return {file_, place.line, place.column};
}

void Report::add(Level level, const Place &place, base::ErrorCode code, std::string message) {
    if (full()) return;
    if (problems_.size() + 1 == kMost) {
        level = Level::Error;
        message = "too many problems: the rest of the file was not read";
    }
    problems_.push_back({level, position(place), code, std::move(message), volume_});
}

}  // namespace volumecrypt::config
