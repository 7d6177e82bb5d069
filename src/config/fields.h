// SPDX-License-Identifier: Apache-2.0
// The fields of one map: typed access that reports what is wrong, and remembers what was asked for,
// so that everything else is unknown.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/report.h"
#include "config/values.h"
#include "config/yaml_tree.h"

namespace volumecrypt::config {

// Every accessor returns nothing when the field is absent, null (`slot:`), or wrong, which it has
// reported then. A null field is as good as an absent one, as in Talos.
class Fields {
  public:
    // `node` is a map; `path` names it in messages ("encryption.keys[1]"), empty for the document.
    Fields(const TreeNode &node, std::string path, Report &report,
           Quoting quoting = Quoting::Allowed);

    const TreeNode *any(std::string_view name);
    // Text and plain numbers or words alike, as Talos takes them.
    std::optional<std::string> text(std::string_view name);
    // The same without the copy: for secrets.
    const TreeNode *textNode(std::string_view name);
    std::optional<bool> flag(std::string_view name);
    std::optional<std::int64_t> number(std::string_view name);
    std::optional<Fields> map(std::string_view name);
    const TreeNode *list(std::string_view name);
    // The texts of a list; an item that is none is reported and left out.
    std::vector<std::pair<std::string, Place>> texts(std::string_view name);
    std::vector<std::pair<std::int64_t, Place>> numbers(std::string_view name);

    template <typename Value>
    std::optional<Value> choice(std::string_view name,
                                std::initializer_list<std::pair<std::string_view, Value>> choices);

    [[nodiscard]] Report &report() const { return *report_; }
    [[nodiscard]] const TreeNode &node() const { return *node_; }
    // Of the field's value; of the map when there is none.
    [[nodiscard]] Place place(std::string_view name) const;
    [[nodiscard]] Place place() const { return node_->place; }
    // "encryption.cipher" for messages.
    [[nodiscard]] std::string pathOf(std::string_view name) const;

    // Whether messages may repeat values of these fields and of the maps below them.
    [[nodiscard]] Quoting quoting() const { return quoting_; }
    // Of this map, names of unknown fields are not repeated: `passphrase secret` is one.
    void hideUnknownNames() { hideUnknown_ = true; }
    // After everything was asked for: reports the rest as unknown, and fields that are given twice,
    // each once.
    void finish();

  private:
    [[nodiscard]] bool isKnown(std::string_view name) const;
    // field "slot" of encryption.keys[0]
    [[nodiscard]] std::string nameOf(const TreeNode &key) const;
    void reportUnknown(const TreeNode &key);
    void wrongType(const TreeNode &node, const std::string &path, std::string_view wanted);
    bool hasType(const TreeNode &node, const std::string &path, TreeNode::Type type,
                 std::string_view wanted);
    // What is a passphrase elsewhere in the document is not to be used as anything else.
    bool isSecretElsewhere(const TreeNode &node, const std::string &path);
    std::optional<std::int64_t> numberIn(const TreeNode &node, const std::string &path);
    void wrongChoice(std::string_view name, const std::vector<std::string> &choices);

    const TreeNode *node_;
    std::string path_;
    Report *report_;
    std::vector<std::string_view> known_;
    Quoting quoting_;
    bool finished_ = false;
    bool hideUnknown_ = false;
};

template <typename Value>
std::optional<Value> Fields::choice(
    std::string_view name, std::initializer_list<std::pair<std::string_view, Value>> choices) {
    const auto chosen = text(name);
    if (!chosen) return std::nullopt;
    std::vector<std::string> names;
    for (const auto &[candidate, value] : choices) {
        if (candidate == *chosen) return value;
        names.emplace_back(candidate);
    }
    wrongChoice(name, names);
    return std::nullopt;
}

// A field that holds a path.
// Empty when it is absent or wrong.
std::string readPath(Fields &fields, std::string_view name);

}  // namespace volumecrypt::config
