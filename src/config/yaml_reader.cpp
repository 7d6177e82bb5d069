// SPDX-License-Identifier: Apache-2.0
// Drives yaml-cpp's parser over the text and turns its exceptions into a message and a place.
#include "config/yaml_reader.h"

#include <algorithm>
#include <exception>
#include <istream>
#include <streambuf>

#include <yaml-cpp/depthguard.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include "config/text.h"
#include "config/tree_builder.h"

namespace volumecrypt::config {
namespace {

// yaml-cpp takes quoted text that the end of the file cuts off for complete; a document end marker
// makes it notice. Not after a last line without a line end, which it notices by itself and whose
// block text would gain a line end.
constexpr std::string_view kEndMarker = "...\n";

// Two pieces of memory as one stream, so that no third copy of a passphrase is made.
class PiecesBuffer : public std::streambuf {
  public:
    PiecesBuffer(std::string_view first, std::string_view second) : second_(second) { show(first); }

  protected:
    int_type underflow() override {
        if (second_.empty()) return traits_type::eof();
        show(second_);
        second_ = {};
        return traits_type::to_int_type(*gptr());
    }

  private:
    // The get area is never written to.
    void show(std::string_view piece) {
        char *begin = const_cast<char *>(piece.data());
        setg(begin, begin, begin + piece.size());
    }

    std::string_view second_;
};

Place placeOfOffset(std::string_view text, std::size_t offset) {
    const std::string_view before = text.substr(0, offset);
    const auto lines = std::count(before.begin(), before.end(), '\n');
    const std::size_t lineStart = before.rfind('\n');
    const std::size_t column =
        lineStart == std::string_view::npos ? offset : offset - lineStart - 1;
    return {static_cast<unsigned>(lines) + 1, static_cast<unsigned>(column) + 1};
}

std::string_view lineOf(std::string_view text, unsigned line) {
    for (; line > 1; --line) {
        const std::size_t end = text.find('\n');
        if (end == std::string_view::npos) return {};
        text.remove_prefix(end + 1);
    }
    return text.substr(0, text.find('\n'));
}

// What follows ": " in yaml-cpp's messages is quoted from the file, and may be a passphrase.
std::string withoutQuotation(const std::string &message) {
    return message.substr(0, message.find(": "));
}

YamlFault faultOf(const YAML::Exception &error, std::string_view text) {
    const Place place = error.mark.is_null() ? Place{1, 1} : placeOf(error.mark);
    if (dynamic_cast<const YAML::DeepRecursion *>(&error) != nullptr)
        return {place, "the document is nested too deeply"};
    // Its own words for a tab depend on what comes after it and mostly do not name it.
    const std::string_view line = lineOf(text, place.line);
    const std::string_view indentation = line.substr(0, line.find_first_not_of(" \t"));
    const std::size_t tab = indentation.find('\t');
    if (tab != std::string_view::npos)
        return {{place.line, static_cast<unsigned>(tab) + 1},
                "a tab may not indent YAML: use spaces"};
    return {place, "YAML: " + withoutQuotation(error.msg)};
}

}  // namespace

ReadOutcome readYaml(std::string_view text, Secrets secrets,
                     const std::function<bool(const Document &)> &visit) {
    ReadOutcome outcome;
    const auto fail = [&outcome](const YamlFault &fault) {
        outcome.faultPlace = fault.place;
        outcome.fault = fault.message;
    };
    if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
    if (text.size() > kLargestFile) {
        fail({{1, 1}, "the file is larger than 1 MiB"});
        return outcome;
    }
    if (const auto fault = findTextFault(text)) {
        fail({placeOfOffset(text, fault->offset), fault->message});
        return outcome;
    }
    PiecesBuffer buffer(text, text.ends_with('\n') ? kEndMarker : std::string_view());
    std::istream stream(&buffer);
    TreeBuilder builder(text, secrets);
    try {
        YAML::Parser parser(stream);
        while (parser.HandleNextDocument(builder))
            if (!visit(builder.document())) break;
    } catch (const YamlFault &fault) {
        fail(fault);
    } catch (const YAML::Exception &error) {
        fail(faultOf(error, text));
    } catch (const std::exception &) {
        fail({{1, 1}, "the file cannot be read as YAML"});
    }
    outcome.passphrase = builder.passphrase();
    return outcome;
}

}  // namespace volumecrypt::config
