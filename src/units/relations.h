// SPDX-License-Identifier: Apache-2.0
// What volumes mean to each other at boot: which must be there before which, and which of them the
// network delays.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "model/volume_spec.h"

namespace volumecrypt::units {

// A path that has to be reachable before a volume can be attached.
struct Need {
    std::string what;  // "passphraseFile of slot 1", for messages
    std::string path;
    bool strict = false;  // no key works without it; else it is only waited for
    bool isKey = false;   // of a key, and read only
};

// Where a path leads whose last component, or one on the way, is a symbolic link; the path itself
// when there is none.
using LinkTarget = std::function<std::string(const std::string &path)>;

class Relations {
  public:
    explicit Relations(const std::vector<model::VolumeSpec> &volumes, LinkTarget linkTarget = {});

    // Where STATE is mounted; empty: STATE is not declared, or not mounted.
    [[nodiscard]] const std::string &stateMount() const { return stateMount_; }
    // Everything but the source device: a file that holds the volume, key files and what they are
    // links to, STATE's mount.
    [[nodiscard]] std::vector<Need> needs(const model::VolumeSpec &volume) const;
    // Attached only once the network is up: it has no other key, it is mounted with _netdev, or it
    // needs such a volume. It can have no part in local-fs.target.
    [[nodiscard]] bool isNetwork(const model::VolumeId &id) const { return network_.contains(id); }
    // The volumes that have to be mounted before `id`, and theirs; contains `id` itself when it
    // waits for itself.
    [[nodiscard]] const std::set<model::VolumeId> &before(const model::VolumeId &id) const;

  private:
    using Edges = std::map<model::VolumeId, std::set<model::VolumeId>>;
    void addEdges(const std::vector<model::VolumeSpec> &volumes);
    void close();

    LinkTarget linkTarget_;
    std::string stateMount_;
    Edges before_;
    std::set<model::VolumeId> network_;
};

}  // namespace volumecrypt::units
