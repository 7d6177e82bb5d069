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

struct Node {
    enum class Type { Null, Text, List, Map };
    struct Entry {
        const Node *key = nullptr;
        const Node *value = nullptr;
    };

    Type type = Type::Null;
    Place place;
    std::string tag;       // an explicit tag that is none of YAML's basic ones
    bool plain = false;    // text without quotes: may stand for a number or a boolean
    std::string text;      // wiped at the end: it may be a passphrase
    bool dropped = false;  // there was text, which was not kept (Secrets::Drop)
    std::vector<const Node *> items;
    std::vector<Entry> entries;  // in the order of the document, doubled keys included
    std::size_t weight = 1;      // nodes below, aliases counted in full

    Node() = default;
    Node(const Node &) = delete;
    Node &operator=(const Node &) = delete;
    Node(Node &&) = delete;
    Node &operator=(Node &&) = delete;
    ~Node();

    // The value of the first entry with this key; nullptr when there is none.
    [[nodiscard]] const Node *find(std::string_view key) const;
};

struct Document {
    std::deque<Node> nodes;  // never move: the nodes point at each other
    const Node *root = nullptr;
};

// "a map", "a list", "text", "nothing".
std::string_view typeName(Node::Type type);

}  // namespace volumecrypt::config
