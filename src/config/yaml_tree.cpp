// SPDX-License-Identifier: Apache-2.0
// Look-ups in a document's nodes, and their wiping.
#include "config/yaml_tree.h"

#include <algorithm>

#include <string.h>

namespace volumecrypt::config {

TreeNode::~TreeNode() {
    ::explicit_bzero(text.data(), text.size());
}

const TreeNode *TreeNode::find(std::string_view key) const {
    const auto found = std::find_if(entries.begin(), entries.end(), [key](const Entry &entry) {
        return entry.key->type == Type::Text && entry.key->text == key;
    });
    return found == entries.end() ? nullptr : found->value;
}

std::string_view typeName(TreeNode::Type type) {
    switch (type) {
        case TreeNode::Type::Map:
            return "a map";
        case TreeNode::Type::List:
            return "a list";
        case TreeNode::Type::Text:
            return "text";
        case TreeNode::Type::Null:
            break;
    }
    return "nothing";
}

}  // namespace volumecrypt::config
