// SPDX-License-Identifier: Apache-2.0
// Text of unit files: values that mean themselves and nothing else, and a builder of sections.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace volumecrypt::units {

// InvalidConfig unless `text` can be said in a unit file at all: valid UTF-8, no control
// characters, no blank at either end. `what` names the value in the message.
base::Status checkText(std::string_view what, std::string_view text);

// checkText, and an absolute path without "." and ".." components.
base::Status checkPath(std::string_view what, std::string_view path);

// For directives that take the rest of their line as it stands (What=, Where=, Options=,
// Description=, SourcePath=): percent signs are doubled, a last backslash does not join the next
// line.
std::string lineValue(std::string_view text);

// For directives that take a list of words (RequiresMountsFor=, ReadWritePaths=): quoted where
// needed. The prefix is put before the quoted word ("-" in ReadWritePaths=).
std::string wordValue(std::string_view text, std::string_view prefix = {});

// The same for BindPaths= and BindReadOnlyPaths=, where a colon says more.
std::string bindValue(std::string_view path, std::string_view prefix = {});

// Sections of directives, in the order of the calls. Values are taken as they are: they come from
// the functions above, or are unit names, which hold no special character.
class UnitText {
  public:
    UnitText();
    UnitText &section(std::string_view name);
    UnitText &set(std::string_view directive, std::string_view value);
    // Without a directive there is no file to write.
    [[nodiscard]] bool empty() const { return directives_ == 0; }
    [[nodiscard]] const std::string &text() const { return text_; }

  private:
    std::string text_;
    std::string pendingSection_;
    unsigned directives_ = 0;
};

}  // namespace volumecrypt::units
