// SPDX-License-Identifier: Apache-2.0
// Builds the nodes of a document from yaml-cpp's events.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/mark.h>

#include "config/loader.h"
#include "config/yaml_tree.h"

namespace volumecrypt::config {

// Thrown out of the parser by the builder; never leaves this folder.
struct YamlFault {
    Place place;
    std::string message;
};

Place placeOf(const YAML::Mark &mark);

class TreeBuilder : public YAML::EventHandler {
  public:
    // `text` is what is being parsed.
    TreeBuilder(std::string_view text, Secrets secrets) : text_(text), secrets_(secrets) {}

    [[nodiscard]] const Document &document() const { return *document_; }
    // The first value of a field `passphrase`, over all documents.
    [[nodiscard]] std::optional<Place> passphrase() const { return passphrase_; }

    void OnDocumentStart(const YAML::Mark &mark) override;
    void OnDocumentEnd() override {}
    void OnNull(const YAML::Mark &mark, YAML::anchor_t anchor) override;
    void OnAlias(const YAML::Mark &mark, YAML::anchor_t anchor) override;
    void OnScalar(const YAML::Mark &mark, const std::string &tag, YAML::anchor_t anchor,
                  const std::string &value) override;
    void OnSequenceStart(const YAML::Mark &mark, const std::string &tag, YAML::anchor_t anchor,
                         YAML::EmitterStyle::value style) override;
    void OnSequenceEnd() override;
    void OnMapStart(const YAML::Mark &mark, const std::string &tag, YAML::anchor_t anchor,
                    YAML::EmitterStyle::value style) override;
    void OnMapEnd() override;

  private:
    struct Frame {
        TreeNode *node = nullptr;
        const TreeNode *key = nullptr;  // of a map: read, its value still to come
    };

    TreeNode &newNode(const YAML::Mark &mark, YAML::anchor_t anchor, TreeNode::Type type);
    void place(const TreeNode &node);
    void placePassphraseAlias(const YAML::Mark &mark, TreeNode &anchored);
    void open(TreeNode &node);
    void close();
    void count(TreeNode &parent, const TreeNode &child, const Place &at);
    void merge(TreeNode &map);
    void refuseTab(const YAML::Mark &mark) const;
    // From the mark on.
    [[nodiscard]] std::string_view sourceAt(const YAML::Mark &mark) const;
    [[nodiscard]] bool isPassphraseValue() const;

    std::string_view text_;
    Secrets secrets_;
    std::optional<Document> document_;
    std::optional<int> lastStart_;  // of the document, as an offset
    std::vector<Frame> open_;
    std::map<YAML::anchor_t, TreeNode *> anchors_;
    std::optional<Place> passphrase_;
};

}  // namespace volumecrypt::config
