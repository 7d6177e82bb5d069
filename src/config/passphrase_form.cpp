// SPDX-License-Identifier: Apache-2.0
// Compares a passphrase in the source text with what YAML made of it.
#include "config/passphrase_form.h"

namespace volumecrypt::config {
namespace {

using Form = TreeNode::Form;

constexpr std::string_view kBlanks = " \t";

void skipWord(std::string_view &source) {
    source.remove_prefix(std::min(source.size(), source.find_first_of(" \t\r\n")));
    source.remove_prefix(std::min(source.size(), source.find_first_not_of(" \t\r\n")));
}

// Quoted text that goes on in the next line: its line ends become blanks.
bool spansLines(std::string_view source) {
    const char quotation = source.front();
    for (std::size_t i = 1; i < source.size() && source[i] != quotation; ++i) {
        if (quotation == '"' && source[i] == '\\') ++i;
        if (i < source.size() && source[i] == '\n') return true;
    }
    return false;
}

Form formOfPlain(std::string_view source, std::string_view value) {
    if (!source.starts_with(value)) return Form::Joined;
    std::string_view rest = source.substr(value.size());
    rest = rest.substr(0, rest.find('\n'));
    if (rest.ends_with('\r')) rest.remove_suffix(1);
    const std::size_t more = rest.find_first_not_of(kBlanks);
    if (more == std::string_view::npos) return rest.empty() ? Form::AsWritten : Form::Blanks;
    return rest[more] == '#' ? Form::Comment : Form::AsWritten;
}

}  // namespace

TreeNode::Form formOf(std::string_view source, std::string_view value, bool anchorIsMeant) {
    bool anchor = false;
    while (source.starts_with('&') || source.starts_with('!')) {
        anchor = anchor || source.front() == '&';
        skipWord(source);
    }
    if (source.empty()) return Form::AsWritten;
    switch (source.front()) {
        case '"':
        case '\'':
            return spansLines(source) ? Form::Joined : Form::AsWritten;
        case '|':
        case '>':
            return value.ends_with('\n') ? Form::LineEnd : Form::AsWritten;
        default:
            return anchor && !anchorIsMeant ? Form::Anchor : formOfPlain(source, value);
    }
}

std::string_view formFault(TreeNode::Form form) {
    switch (form) {
        case Form::Comment:
            return "YAML takes what follows \" #\" for a comment: put the passphrase in quotation "
                   "marks";
        case Form::Anchor:
            return "YAML takes the word after \"&\" for a name: put the passphrase in quotation "
                   "marks";
        case Form::Blanks:
            return "YAML drops the blanks at the end of the passphrase: remove them, or put it in "
                   "quotation marks";
        case Form::Joined:
            return "YAML joins the lines of the passphrase: write it in one line";
        case Form::AsWritten:
        case Form::LineEnd:
            break;
    }
    return {};
}

}  // namespace volumecrypt::config
