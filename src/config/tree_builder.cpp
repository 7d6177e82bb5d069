// SPDX-License-Identifier: Apache-2.0
// Nodes from events, with the bounds and the checks that yaml-cpp does not make.
#include "config/tree_builder.h"

#include <algorithm>
#include <set>
#include <string_view>

#include "config/passphrase_form.h"
#include "config/text.h"
#include "config/yaml_reader.h"

namespace volumecrypt::config {
namespace {

constexpr std::string_view kYamlTag = "tag:yaml.org,2002:";

bool isOneOf(std::string_view word, std::initializer_list<std::string_view> words) {
    return std::find(words.begin(), words.end(), word) != words.end();
}

// yaml-cpp says "?" for no tag and "!" for quoted text.
void applyTag(TreeNode &node, const std::string &tag) {
    const bool basic = tag.starts_with(kYamlTag);
    const std::string_view name = basic ? std::string_view(tag).substr(kYamlTag.size()) : "";
    switch (node.type) {
        case TreeNode::Type::Text:
            node.plain = tag == "?" || isOneOf(name, {"int", "bool", "float"});
            if (node.plain || tag == "!" || tag.empty() || name == "str") return;
            break;
        case TreeNode::Type::List:
            if (tag == "?" || tag == "!" || tag.empty() || name == "seq") return;
            break;
        case TreeNode::Type::Map:
            if (tag == "?" || tag == "!" || tag.empty() || name == "map") return;
            break;
        case TreeNode::Type::Null:
            return;
    }
    node.tag = tag;
}

}  // namespace

Place placeOf(const YAML::Mark &mark) {
    return {static_cast<unsigned>(mark.line) + 1, static_cast<unsigned>(mark.column) + 1};
}

void TreeBuilder::OnDocumentStart(const YAML::Mark &mark) {
    // At a "," or a bracket out of place yaml-cpp stands still and delivers empty documents for
    // ever.
    if (lastStart_ && mark.pos <= *lastStart_)
        throw YamlFault{placeOf(mark), "YAML: unexpected character"};
    lastStart_ = mark.pos;
    open_.clear();
    anchors_.clear();
    document_.emplace();
}

void TreeBuilder::OnNull(const YAML::Mark &mark, YAML::anchor_t anchor) {
    TreeNode &node = newNode(mark, anchor, TreeNode::Type::Null);
    // The mark of a value that is not there is that of whatever comes next.
    if (!open_.empty() && open_.back().key != nullptr) node.place = open_.back().key->place;
    place(node);
}

void TreeBuilder::OnAlias(const YAML::Mark &mark, YAML::anchor_t anchor) {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end())
        throw YamlFault{placeOf(mark), "the referenced anchor is not defined"};
    TreeNode &node = *found->second;
    if (node.form == TreeNode::Form::Anchor) node.form = node.aliasedForm;
    const bool unfinished = std::any_of(open_.begin(), open_.end(),
                                        [&](const Frame &frame) { return frame.node == &node; });
    if (unfinished) throw YamlFault{placeOf(mark), "an alias stands inside its own anchor"};
    if (isPassphraseValue()) {
        if (!passphrase_) passphrase_ = placeOf(mark);
        placePassphraseAlias(mark, node);
        return;
    }
    place(node);
}

void TreeBuilder::OnScalar(const YAML::Mark &mark, const std::string &tag, YAML::anchor_t anchor,
                           const std::string &value) {
    refuseTab(mark);
    TreeNode &node = newNode(mark, anchor, TreeNode::Type::Text);
    applyTag(node, tag);
    if (isPassphraseValue()) {
        if (!passphrase_) passphrase_ = node.place;
        node.secret = true;
        node.form = formOf(sourceAt(mark), value, false);
        node.dropped = secrets_ == Secrets::Drop && !value.empty();
    }
    if (anchor != YAML::NullAnchor) node.aliasedForm = formOf(sourceAt(mark), value, true);
    if (!node.dropped) node.text = withWholeEscapes(value);
    place(node);
}

void TreeBuilder::OnSequenceStart(const YAML::Mark &mark, const std::string &tag,
                                  YAML::anchor_t anchor, YAML::EmitterStyle::value) {
    refuseTab(mark);
    TreeNode &node = newNode(mark, anchor, TreeNode::Type::List);
    applyTag(node, tag);
    open(node);
}

void TreeBuilder::OnSequenceEnd() {
    close();
}

void TreeBuilder::OnMapStart(const YAML::Mark &mark, const std::string &tag, YAML::anchor_t anchor,
                             YAML::EmitterStyle::value) {
    refuseTab(mark);
    TreeNode &node = newNode(mark, anchor, TreeNode::Type::Map);
    applyTag(node, tag);
    open(node);
}

void TreeBuilder::OnMapEnd() {
    merge(*open_.back().node);
    close();
}

TreeNode &TreeBuilder::newNode(const YAML::Mark &mark, YAML::anchor_t anchor, TreeNode::Type type) {
    if (document_->nodes.size() >= kMostNodes)
        throw YamlFault{placeOf(mark), "the document is too large"};
    TreeNode &node = document_->nodes.emplace_back();
    node.type = type;
    node.place = placeOf(mark);
    if (anchor != YAML::NullAnchor) anchors_[anchor] = &node;
    return node;
}

// Puts a finished node where the parser is.
void TreeBuilder::place(const TreeNode &node) {
    if (open_.empty()) {
        document_->root = &node;
        return;
    }
    Frame &frame = open_.back();
    count(*frame.node, node, node.place);
    if (frame.node->type == TreeNode::Type::List) {
        frame.node->items.push_back(&node);
    } else if (frame.key == nullptr) {
        frame.key = &node;
    } else {
        frame.node->entries.push_back({frame.key, &node});
        frame.key = nullptr;
    }
}

// A node of its own, which may be dropped while the anchor's text is still needed elsewhere.
void TreeBuilder::placePassphraseAlias(const YAML::Mark &mark, TreeNode &anchored) {
    anchored.secret = anchored.type == TreeNode::Type::Text;
    if (!anchored.secret) {
        place(anchored);
        return;
    }
    TreeNode &copy = newNode(mark, YAML::NullAnchor, TreeNode::Type::Text);
    copy.place = anchored.place;
    copy.tag = anchored.tag;
    copy.plain = anchored.plain;
    copy.form = anchored.aliasedForm;
    copy.secret = true;
    copy.dropped = anchored.dropped || (secrets_ == Secrets::Drop && !anchored.text.empty());
    if (!copy.dropped) copy.text = anchored.text;
    place(copy);
}

void TreeBuilder::open(TreeNode &node) {
    if (open_.size() >= kDeepestNesting)
        throw YamlFault{node.place, "the document is nested too deeply"};
    open_.push_back({&node, nullptr});
}

void TreeBuilder::close() {
    const TreeNode &node = *open_.back().node;
    open_.pop_back();
    place(node);
}

// Aliases of aliases could multiply a few lines to billions of nodes.
void TreeBuilder::count(TreeNode &parent, const TreeNode &child, const Place &at) {
    parent.weight += child.weight;
    if (parent.weight > kMostNodes) throw YamlFault{at, "the document is too large"};
}

// `<<: *defaults`: the entries of another map (or of a list of maps, the first of which wins) that
// this map does not have itself.
void TreeBuilder::merge(TreeNode &map) {
    const auto isMerge = [](const TreeNode::Entry &entry) {
        return entry.key->type == TreeNode::Type::Text && entry.key->plain &&
               entry.key->text == "<<";
    };
    if (std::none_of(map.entries.begin(), map.entries.end(), isMerge)) return;
    std::set<std::string_view> known;
    std::vector<TreeNode::Entry> kept;
    std::vector<const TreeNode *> sources;
    for (const TreeNode::Entry &entry : map.entries) {
        if (!isMerge(entry)) {
            kept.push_back(entry);
            if (entry.key->type == TreeNode::Type::Text) known.insert(entry.key->text);
        } else if (entry.value->type == TreeNode::Type::List) {
            sources.insert(sources.end(), entry.value->items.begin(), entry.value->items.end());
        } else {
            sources.push_back(entry.value);
        }
    }
    for (const TreeNode *source : sources) {
        if (source->type != TreeNode::Type::Map)
            throw YamlFault{map.place, "\"<<\" needs a map, or a list of maps"};
        for (const TreeNode::Entry &entry : source->entries)
            if (entry.key->type != TreeNode::Type::Text || known.insert(entry.key->text).second)
                kept.push_back(entry);
    }
    map.entries = std::move(kept);
}

// YAML forbids tabs in indentation; yaml-cpp lets some pass.
void TreeBuilder::refuseTab(const YAML::Mark &mark) const {
    const auto start = static_cast<std::size_t>(mark.pos - mark.column);
    const std::string_view before =
        text_.substr(std::min(start, text_.size()), static_cast<std::size_t>(mark.column));
    if (before.find_first_not_of(" \t") != std::string_view::npos) return;
    const std::size_t tab = before.find('\t');
    if (tab == std::string_view::npos) return;
    throw YamlFault{{static_cast<unsigned>(mark.line) + 1, static_cast<unsigned>(tab) + 1},
                    "a tab may not indent YAML: use spaces"};
}

std::string_view TreeBuilder::sourceAt(const YAML::Mark &mark) const {
    return text_.substr(std::min(static_cast<std::size_t>(mark.pos), text_.size()));
}

bool TreeBuilder::isPassphraseValue() const {
    return !open_.empty() && open_.back().key != nullptr &&
           open_.back().key->type == TreeNode::Type::Text && open_.back().key->text == "passphrase";
}

}  // namespace volumecrypt::config
