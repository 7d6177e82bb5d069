// SPDX-License-Identifier: Apache-2.0
// A YAML document as plain nodes with positions: what the readers of this folder work on, free of
// yaml-cpp.
#pragma once

#include <cstddef>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace volumecrypt::config {

// Line and column from 1; columns count bytes, as compilers do.
struct Place {
    unsigned line = 0;
    unsigned column = 0;
};

struct TreeNode {
    enum class Type { Null, Text, List, Map };
    // Of a passphrase: whether it is what stands in the file, or what YAML made of that.
    enum class Form { AsWritten, Comment, Anchor, Blanks, Joined, LineEnd };
    struct Entry {
        const TreeNode *key = nullptr;
        const TreeNode *value = nullptr;
    };

    Type type = Type::Null;
    Place place;
    std::string tag;       // an explicit tag that is none of YAML's basic ones
    bool plain = false;    // text without quotes: may stand for a number or a boolean
    std::string text;      // wiped at the end: it may be a passphrase
    bool dropped = false;  // there was text, which was not kept (Secrets::Drop)
    Form form = Form::AsWritten;
    Form aliasedForm = Form::AsWritten;  // when something refers to its anchor
    bool secret = false;  // the value of a field `passphrase`, here or through an alias
    std::vector<const TreeNode *> items;
    std::vector<Entry> entries;  // in the order of the document, doubled keys included
    std::size_t weight = 1;      // nodes below, aliases counted in full

    TreeNode() = default;
    TreeNode(const TreeNode &) = delete;
    TreeNode &operator=(const TreeNode &) = delete;
    TreeNode(TreeNode &&) = delete;
    TreeNode &operator=(TreeNode &&) = delete;
    ~TreeNode();

    // The value of the first entry with this key; nullptr when there is none.
    [[nodiscard]] const TreeNode *find(std::string_view key) const;
};

struct Document {
    std::deque<TreeNode> nodes;  // never move: the nodes point at each other
    const TreeNode *root = nullptr;
};

// "a map", "a list", "text", "nothing".
std::string_view typeName(TreeNode::Type type);

}  // namespace volumecrypt::config
