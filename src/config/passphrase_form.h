// SPDX-License-Identifier: Apache-2.0
// What YAML made of a passphrase: somebody who wrote `correct horse #1` formats a disk with
// "correct horse", and finds out when no other key is left.
#pragma once

#include <string_view>

#include "config/yaml_tree.h"

namespace volumecrypt::config {

// Compares `value` with the text that it was read from; `source` begins where its node does.
// `anchorIsMeant`: the node has an alias elsewhere, so that its "&" is no part of the passphrase.
TreeNode::Form formOf(std::string_view source, std::string_view value, bool anchorIsMeant);

// Why a value of this form is no passphrase, and what to do; empty when it is one.
std::string_view formFault(TreeNode::Form form);

}  // namespace volumecrypt::config
