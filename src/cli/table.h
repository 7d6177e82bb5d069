// SPDX-License-Identifier: Apache-2.0
// How rows are shown: an aligned table for people, tab-separated lines for programs.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace volumecrypt::cli {

enum class Colour { None, Bold, Dim, Red, Green, Yellow };

// What standard output (or error) is.
struct Style {
    bool terminal = false;
    bool colour = false;

    // Colours only on a terminal that can, and without NO_COLOR (no-color.org).
    static Style of(int fd);
    [[nodiscard]] std::string paint(Colour colour, std::string_view text) const;
};

struct Cell {
    std::string text;
    Colour colour = Colour::None;

    Cell(std::string content, Colour paint = Colour::None)  // NOLINT(google-explicit-constructor)
        : text(std::move(content)), colour(paint) {}
    Cell(const char *content) : text(content) {}  // NOLINT(google-explicit-constructor)
};

// On a terminal a header and aligned columns, else one line a row, fields separated by one tab and
// no header. Texts are made printable here; an empty field is "-".
class Table {
  public:
    explicit Table(std::vector<std::string> header) : header_(std::move(header)) {}
    void add(std::vector<Cell> row) { rows_.push_back(std::move(row)); }
    [[nodiscard]] bool empty() const { return rows_.empty(); }
    // `indent` columns before each row of a terminal's table.
    [[nodiscard]] std::string render(const Style &style, std::size_t indent = 0) const;

  private:
    std::vector<std::string> header_;
    std::vector<std::vector<Cell>> rows_;
};

}  // namespace volumecrypt::cli
