// SPDX-License-Identifier: Apache-2.0
// Where the symbolic links of a path lead, and whether only root can have made them.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace volumecrypt::base {

struct LinkWalk {
    std::string target;            // without links, as far as there is anything
    std::vector<std::string> way;  // the directories and links that were passed, in their order
    bool endsInLink = false;       // the path itself, and not only a directory of it, is a link
};

// What is not there (yet) stays in the target as it is written. Io: more than 40 links.
Result<LinkWalk> walkLinks(const std::string &path);

// `path` opened for reading, never waiting for anybody. A path that is a link is followed when each
// directory and link on the way belongs to root (or the caller) and nobody else can put another in
// its place: else InvalidConfig, which names the one that does not.
Result<UniqueFd> openFollowing(const std::string &path);

}  // namespace volumecrypt::base
