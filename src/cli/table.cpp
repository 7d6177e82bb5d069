// SPDX-License-Identifier: Apache-2.0
// Column widths, colours, and the plain form of rows.
#include "cli/table.h"

#include <algorithm>
#include <cstdlib>

#include <unistd.h>

#include "cli/text.h"

namespace volumecrypt::cli {
namespace {

std::string_view escapeOf(Colour colour) {
    switch (colour) {
        case Colour::Bold:
            return "\033[1m";
        case Colour::Dim:
            return "\033[2m";
        case Colour::Red:
            return "\033[31m";
        case Colour::Green:
            return "\033[32m";
        case Colour::Yellow:
            return "\033[33m";
        case Colour::None:
            break;
    }
    return "";
}

}  // namespace

Style Style::of(int fd) {
    Style style;
    style.terminal = ::isatty(fd) == 1;
    const char *noColour = std::getenv("NO_COLOR");
    const char *term = std::getenv("TERM");
    const bool dumb = term == nullptr || std::string_view(term) == "dumb";
    style.colour = style.terminal && !dumb && (noColour == nullptr || *noColour == '\0');
    return style;
}

std::string Style::paint(Colour paintColour, std::string_view text) const {
    if (!colour || paintColour == Colour::None || text.empty()) return std::string(text);
    return std::string(escapeOf(paintColour)).append(text).append("\033[0m");
}

std::string Table::render(const Style &style, std::size_t indent) const {
    std::string out;
    if (!style.terminal) {
        for (const auto &row : rows_) {
            for (std::size_t i = 0; i < row.size(); ++i)
                out.append(i == 0 ? "" : "\t").append(field(row[i].text));
            out += '\n';
        }
        return out;
    }
    if (rows_.empty()) return out;

    std::vector<std::vector<Cell>> lines;
    lines.emplace_back();
    for (const auto &title : header_) lines.back().emplace_back(title, Colour::Bold);
    for (const auto &row : rows_) {
        lines.emplace_back(row);
        for (auto &cell : lines.back()) cell.text = field(cell.text);
    }
    std::vector<std::size_t> widths(header_.size(), 0);
    for (const auto &line : lines)
        for (std::size_t i = 0; i < line.size() && i < widths.size(); ++i)
            widths[i] = std::max(widths[i], displayWidth(line[i].text));
    for (const auto &line : lines) {
        out.append(indent, ' ');
        for (std::size_t i = 0; i < line.size() && i < widths.size(); ++i) {
            out += style.paint(line[i].colour, line[i].text);
            // No blanks after the last column: they would wrap on a narrow terminal.
            if (i + 1 < line.size()) out.append(widths[i] - displayWidth(line[i].text) + 2, ' ');
        }
        out += '\n';
    }
    return out;
}

}  // namespace volumecrypt::cli
