// SPDX-License-Identifier: Apache-2.0
// Reads `provisioning` and `volumeType`: partition, disk or directory.

#include <optional>
#include <string>

#include <fmt/format.h>

#include "config/draft.h"
#include "config/text.h"

namespace volumecrypt::config {
namespace {

using model::VolumeKind;

bool isGiven(const TreeNode *node) {
    return node != nullptr && node->type != TreeNode::Type::Null &&
           !(node->type == TreeNode::Type::Map && node->entries.empty());
}

// "mount", "where": the field of a block, wherever it is read for good.
const TreeNode *inner(const Fields &document, std::string_view block, std::string_view name) {
    const TreeNode *map = document.node().find(block);
    const TreeNode *value = map == nullptr ? nullptr : map->find(name);
    return isGiven(value) ? value : nullptr;
}

bool wantsEncryption(const Fields &document) {
    if (!isGiven(document.node().find("encryption"))) return false;
    const TreeNode *provider = inner(document, "encryption", "provider");
    const bool none = provider != nullptr && lowerCase(provider->text) == "none";
    return !none || inner(document, "encryption", "keys") != nullptr;
}

// "partition" also when it is wrong, which was reported.
std::string readVolumeType(Fields &document) {
    const auto type = document.text("volumeType");
    if (!type || *type == "partition") return "partition";
    if (*type == "directory" || *type == "disk") return *type;
    document.report().error(document.place("volumeType"),
                            fmt::format("unsupported volume type {}", quote(*type)));
    return "partition";
}

void checkDirectory(Fields &document) {
    Report &report = document.report();
    for (const std::string_view name : {"provisioning", "encryption", "filesystem", "volume"})
        if (const TreeNode *spec = document.node().find(name); isGiven(spec))
            report.error(spec->place,
                         fmt::format("{} spec is invalid for volumeType directory", name));
    if (const TreeNode *value = inner(document, "mount", "disableAccessTime"))
        report.error(value->place, "mount.disableAccessTime is invalid for volumeType directory");
    report.warning(document.place("volumeType"),
                   "volumeType \"directory\": nothing is done for it");
}

void checkDisk(Fields &document) {
    for (const std::string_view name : {"minSize", "maxSize", "grow"})
        if (inner(document, "provisioning", name) != nullptr) {
            document.report().error(document.place("provisioning"),
                                    "min size, max size and grow are not supported");
            break;
        }
    if (inner(document, "volume", "device") == nullptr)
        document.report().warning(document.place("volumeType"),
                                  "volumeType \"disk\": no disk is searched for; name it in "
                                  "volume.device");
}

// ETCD, CRI, KUBELET and LOG, which Talos keeps on EPHEMERAL until it is told otherwise.
bool isDirectory(Fields &document, const model::VolumeId &id) {
    if (id.kind() != VolumeKind::System || isImageCache(id)) return false;
    if (isGiven(document.node().find("provisioning")) || isGiven(document.node().find("volume")) ||
        wantsEncryption(document) || inner(document, "mount", "where") != nullptr)
        return false;
    for (const std::string_view name : {"secure", "disableAccessTime"})
        if (const TreeNode *value = inner(document, "mount", name))
            document.report().error(
                value->place,
                fmt::format("mount config for the {} volume is only supported when it is "
                            "provisioned onto a dedicated partition",
                            quote(id.text())));
    document.report().warning(document.place(),
                              fmt::format("the {} volume is a directory without provisioning: "
                                          "nothing is done for it",
                                          quote(id.text())));
    return true;
}

}  // namespace

bool readPlace(Fields &document, const model::VolumeId &id) {
    const TreeNode *provisioning = document.any("provisioning");
    if (provisioning != nullptr && !document.map("provisioning")) provisioning = nullptr;
    const std::string type =
        id.kind() == VolumeKind::User ? readVolumeType(document) : std::string("partition");
    if (type == "directory") {
        checkDirectory(document);
        return false;
    }
    if (type == "disk") {
        checkDisk(document);
        return true;
    }
    if (isGiven(provisioning)) {
        if (id.kind() == VolumeKind::State)
            document.report().error(provisioning->place,
                                    "provisioning config is not allowed for the \"STATE\" volume");
        else
            document.report().warning(provisioning->place,
                                      "provisioning is ignored: the partition has to be there");
    }
    return !isDirectory(document, id);
}

}  // namespace volumecrypt::config
