// SPDX-License-Identifier: Apache-2.0
// The name of a volume: STATE, EPHEMERAL, another of Talos' system volumes, u-NAME, r-NAME or
// s-NAME, the same everywhere.
#pragma once

#include <compare>
#include <string>
#include <string_view>

#include "base/result.h"

namespace volumecrypt::model {

// System: IMAGECACHE, ETCD, CRI, KUBELET and LOG, which mean something to Talos only; here they are
// volumes with a name of their own.
enum class VolumeKind { State, Ephemeral, System, User, Raw, Swap };

// "state", "ephemeral", "system", "user", "raw", "swap".
std::string_view kindName(VolumeKind kind);

class VolumeId {
  public:
    // InvalidConfig when `text` is no volume ID.
    static base::Result<VolumeId> parse(std::string_view text);
    static VolumeId state();
    static VolumeId ephemeral();
    // STATE, EPHEMERAL or a System one by its name; the text of the error is Talos'.
    static base::Result<VolumeId> system(std::string_view name);
    // `name` as in the document's `name`: 1..34 characters of [A-Za-z0-9-]; the texts of the errors
    // are Talos'.
    static base::Result<VolumeId> named(VolumeKind kind, std::string_view name);

    [[nodiscard]] const std::string &text() const { return text_; }
    [[nodiscard]] VolumeKind kind() const { return kind_; }
    // Without the u-, r- or s- prefix.
    [[nodiscard]] std::string name() const;

    friend bool operator==(const VolumeId &a, const VolumeId &b) { return a.text_ == b.text_; }
    friend auto operator<=>(const VolumeId &a, const VolumeId &b) { return a.text_ <=> b.text_; }

  private:
    VolumeId(VolumeKind kind, std::string text) : kind_(kind), text_(std::move(text)) {}
    VolumeKind kind_;
    std::string text_;
};

}  // namespace volumecrypt::model
