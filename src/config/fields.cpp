// SPDX-License-Identifier: Apache-2.0
// Typed access to the fields of a map.
#include "config/fields.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "config/text.h"
#include "model/key_kind.h"

namespace volumecrypt::config {
namespace {

bool isOldOctal(std::string_view text) {
    return text.size() > 1 && text[0] == '0' && text[1] >= '0' && text[1] <= '9';
}

std::optional<std::int64_t> parseNumber(std::string_view text) {
    bool negative = false;
    if (text.starts_with('-') || text.starts_with('+')) {
        negative = text.front() == '-';
        text.remove_prefix(1);
    }
    int radix = 10;
    if (text.starts_with("0x")) radix = 16;
    if (text.starts_with("0o")) radix = 8;
    if (radix != 10) text.remove_prefix(2);
    // As in YAML 1.1, and in Talos.
    if (radix == 10 && isOldOctal(text)) radix = 8;
    if (text.empty() || text.front() == '-') return std::nullopt;
    std::int64_t value = 0;
    const char *end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, value, radix);
    if (error != std::errc() || rest != end) return std::nullopt;
    return negative ? -value : value;
}

// Of the fields of a key; larger ones cannot be meant.
constexpr std::int64_t kLongestShownNumber = 999;

// What `encryption.keys` knows anywhere: such a name in the wrong place is no secret, but a slip of
// the indentation.
bool isKeyField(std::string_view name) {
    for (const std::string_view common : {"slot", "lockToState", "lockToSTATE"})
        if (name == common) return true;
    return std::ranges::any_of(model::kKeyKinds, [name](const model::KeyKindRow &row) {
        return row.declarable &&
               (row.name == name || std::ranges::find(row.fields, name) != row.fields.end());
    });
}

// The words of YAML 1.1, which Talos takes too.
std::optional<bool> parseFlag(std::string_view text) {
    const std::string word = lowerCase(text);
    for (const std::string_view yes : {"true", "yes", "on", "y"})
        if (word == yes) return true;
    for (const std::string_view no : {"false", "no", "off", "n"})
        if (word == no) return false;
    return std::nullopt;
}

}  // namespace

Fields::Fields(const TreeNode &node, std::string path, Report &report, Quoting quoting)
    : node_(&node), path_(std::move(path)), report_(&report), quoting_(quoting) {}

const TreeNode *Fields::any(std::string_view name) {
    known_.push_back(name);
    const TreeNode *value = node_->find(name);
    return value == nullptr || value->type == TreeNode::Type::Null ? nullptr : value;
}

const TreeNode *Fields::textNode(std::string_view name) {
    const TreeNode *value = any(name);
    if (value == nullptr || !hasType(*value, pathOf(name), TreeNode::Type::Text, "text"))
        return nullptr;
    return value;
}

std::optional<std::string> Fields::text(std::string_view name) {
    const TreeNode *value = textNode(name);
    if (value == nullptr || isSecretElsewhere(*value, pathOf(name))) return std::nullopt;
    return value->text;
}

std::optional<bool> Fields::flag(std::string_view name) {
    const TreeNode *value = any(name);
    if (value == nullptr || !hasType(*value, pathOf(name), TreeNode::Type::Text, "true or false"))
        return std::nullopt;
    const auto result = value->plain ? parseFlag(value->text) : std::nullopt;
    if (!result) wrongType(*value, pathOf(name), "true or false");
    return result;
}

std::optional<std::int64_t> Fields::number(std::string_view name) {
    const TreeNode *value = any(name);
    if (value == nullptr) return std::nullopt;
    return numberIn(*value, pathOf(name));
}

std::optional<Fields> Fields::map(std::string_view name) {
    const TreeNode *value = any(name);
    if (value == nullptr || !hasType(*value, pathOf(name), TreeNode::Type::Map, "a map"))
        return std::nullopt;
    return Fields(*value, pathOf(name), *report_, quoting_);
}

const TreeNode *Fields::list(std::string_view name) {
    const TreeNode *value = any(name);
    if (value == nullptr || !hasType(*value, pathOf(name), TreeNode::Type::List, "a list"))
        return nullptr;
    return value;
}

std::vector<std::pair<std::string, Place>> Fields::texts(std::string_view name) {
    std::vector<std::pair<std::string, Place>> result;
    const TreeNode *items = list(name);
    if (items == nullptr) return result;
    for (std::size_t i = 0; i < items->items.size(); ++i) {
        const TreeNode &item = *items->items[i];
        const std::string path = fmt::format("{}[{}]", pathOf(name), i);
        if (hasType(item, path, TreeNode::Type::Text, "text") && !isSecretElsewhere(item, path))
            result.emplace_back(item.text, item.place);
    }
    return result;
}

std::vector<std::pair<std::int64_t, Place>> Fields::numbers(std::string_view name) {
    std::vector<std::pair<std::int64_t, Place>> result;
    const TreeNode *items = list(name);
    if (items == nullptr) return result;
    for (std::size_t i = 0; i < items->items.size(); ++i) {
        const TreeNode &item = *items->items[i];
        if (const auto value = numberIn(item, fmt::format("{}[{}]", pathOf(name), i)))
            result.emplace_back(*value, item.place);
    }
    return result;
}

Place Fields::place(std::string_view name) const {
    const TreeNode *value = node_->find(name);
    return value == nullptr ? node_->place : value->place;
}

std::string Fields::pathOf(std::string_view name) const {
    return path_.empty() ? std::string(name) : fmt::format("{}.{}", path_, name);
}

void Fields::finish() {
    if (std::exchange(finished_, true)) return;
    std::map<std::string_view, Place> seen;
    for (const TreeNode::Entry &entry : node_->entries) {
        const TreeNode &key = *entry.key;
        if (key.type != TreeNode::Type::Text) {
            report_->error(key.place,
                           fmt::format("a field's name must be text, not {}", typeName(key.type)));
            continue;
        }
        const auto [first, isNew] = seen.emplace(key.text, key.place);
        if (!isNew)
            report_->error(key.place, fmt::format("{} is given twice, first in line {}",
                                                  nameOf(key), first->second.line));
        else if (!isKnown(key.text))
            reportUnknown(key);
    }
}

bool Fields::isKnown(std::string_view name) const {
    return std::find(known_.begin(), known_.end(), name) != known_.end();
}

std::string Fields::nameOf(const TreeNode &key) const {
    const bool hide = hideUnknown_ || quoting_ == Quoting::Forbidden;
    const bool show = isKnown(key.text) ||
                      (!key.secret && (!hide || isKeyField(key.text) || closest(key.text, known_)));
    const std::string name = show ? "field " + quote(key.text) : "field";
    return path_.empty() ? name : fmt::format("{} of {}", name, path_);
}

void Fields::reportUnknown(const TreeNode &key) {
    std::string message = "unknown " + nameOf(key);
    // `slot:1` is one word to YAML.
    const std::string beforeColon = key.text.substr(0, key.text.find(':'));
    if (beforeColon.size() < key.text.size() && isKnown(beforeColon))
        message = fmt::format("{}: a space is missing after the colon", pathOf(beforeColon));
    else if (const auto meant = closest(key.text, known_))
        message += fmt::format("; did you mean {}?", quote(*meant));
    report_->error(key.place, std::move(message));
}

void Fields::wrongType(const TreeNode &node, const std::string &path, std::string_view wanted) {
    // The text is shown for words that were to be a number or the like, never for blocks: a
    // passphrase might stand there by mistake.
    const bool show = node.type == TreeNode::Type::Text && !node.secret &&
                      quoting_ == Quoting::Allowed && wanted != "a map" && wanted != "a list" &&
                      wanted != "text";
    report_->error(node.place, fmt::format("{} must be {}, not {}", path, wanted,
                                           show ? quote(node.text) : typeName(node.type)));
}

bool Fields::hasType(const TreeNode &node, const std::string &path, TreeNode::Type type,
                     std::string_view wanted) {
    if (node.type != type) {
        wrongType(node, path, wanted);
        return false;
    }
    if (node.tag.empty()) return true;
    if (node.tag == "tag:yaml.org,2002:binary") {
        report_->error(node.place, path +
                                       " is tagged !!binary, which is not decoded: write the "
                                       "text itself, in quotation marks");
        return false;
    }
    // Not shown: a passphrase that begins with "!" is a tag to YAML.
    report_->error(node.place,
                   path + " has a tag: put a text that begins with \"!\" in quotation marks");
    return false;
}

bool Fields::isSecretElsewhere(const TreeNode &node, const std::string &path) {
    if (node.secret) report_->error(node.place, path + " is an alias of a passphrase");
    return node.secret;
}

std::optional<std::int64_t> Fields::numberIn(const TreeNode &node, const std::string &path) {
    constexpr std::string_view wanted = "a whole number";
    if (!hasType(node, path, TreeNode::Type::Text, wanted)) return std::nullopt;
    const auto value = node.plain ? parseNumber(node.text) : std::nullopt;
    if (!value) wrongType(node, path, wanted);
    if (value && isOldOctal(node.text) && std::abs(*value) <= kLongestShownNumber)
        report_->warning(node.place,
                         fmt::format("{} is octal for its leading zero: {}", path, *value));
    // A PIN, not a slot or a PCR: later messages would repeat it.
    if (value && quoting_ == Quoting::Forbidden && std::abs(*value) > kLongestShownNumber) {
        report_->error(node.place, path + " is out of range");
        return std::nullopt;
    }
    return value;
}

void Fields::wrongChoice(std::string_view name, const std::vector<std::string> &choices) {
    const TreeNode *value = node_->find(name);
    wrongType(*value, pathOf(name), listed(choices, "or"));
}

}  // namespace volumecrypt::config
