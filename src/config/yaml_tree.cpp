// SPDX-License-Identifier: Apache-2.0
// The nodes' lookup and their wiping.
#include "config/yaml_tree.h"

#include <algorithm>

#include <string.h>

namespace volumecrypt::config {

Node::~Node() {
    ::explicit_bzero(text.data(), text.size());
}

const Node *Node::find(std::string_view key) const {
    const auto found = std::find_if(entries.begin(), entries.end(), [key](const Entry &entry) {
        return entry.key->type == Type::Text && entry.key->text == key;
    });
    return found == entries.end() ? nullptr : found->value;
}

std::string_view typeName(Node::Type type) {
    switch (type) {
        case Node::Type::Map:
            return "a map";
        case Node::Type::List:
            return "a list";
        case Node::Type::Text:
            return "text";
        case Node::Type::Null:
            break;
    }
    return "nothing";
}

}  // namespace volumecrypt::config
