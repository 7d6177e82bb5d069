// SPDX-License-Identifier: Apache-2.0
// The four kinds of documents.
#include "config/volume_document.h"

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "config/encryption.h"
#include "config/fields.h"
#include "config/mount.h"
#include "config/storage.h"
#include "config/text.h"

namespace volumecrypt::config {
namespace {

using model::VolumeKind;

constexpr std::string_view kSystemVolume = "VolumeConfig";
constexpr std::string_view kUserVolume = "UserVolumeConfig";
constexpr std::string_view kRawVolume = "RawVolumeConfig";
constexpr std::string_view kSwapVolume = "SwapVolumeConfig";
const std::vector<std::string_view> kDocumentKinds{kSystemVolume, kUserVolume, kRawVolume,
                                                   kSwapVolume};

constexpr std::string_view kApiVersion = "v1alpha1";

std::optional<std::string_view> knownKind(std::string_view text) {
    for (const std::string_view kind : kDocumentKinds)
        if (kind == text) return kind;
    return std::nullopt;
}

void reportSkipped(const TreeNode &root, const TreeNode *kind, Report &report) {
    if (kind == nullptr) {
        const TreeNode *machine = root.find("machine");
        const bool legacy = machine != nullptr && machine->find("systemDiskEncryption") != nullptr;
        report.warning(root.place,
                       legacy ? "a document without kind is skipped, and its "
                                "machine.systemDiskEncryption with it: declare a VolumeConfig"
                              : "a document without kind is skipped");
        return;
    }
    if (kind->secret) {
        report.error(kind->place, "kind is an alias of a passphrase");
        return;
    }
    std::string message = fmt::format("a document of kind {} is skipped", quote(kind->text));
    if (const auto meant = closest(kind->text, kDocumentKinds))
        message += fmt::format("; did you mean {}?", quote(*meant));
    report.warning(kind->place, std::move(message));
}

// False when the rest of the document cannot be understood.
bool checkApiVersion(Fields &fields) {
    const auto version = fields.text("apiVersion");
    if (version && *version == kApiVersion) return true;
    if (fields.any("apiVersion") == nullptr)
        fields.report().error(fields.place(), "apiVersion is required");
    else if (version)
        fields.report().error(fields.place("apiVersion"),
                              fmt::format("unsupported apiVersion {}: only {} is known",
                                          quote(*version), kApiVersion));
    return !version;
}

std::optional<model::VolumeId> systemVolume(Fields &fields, const std::string &name) {
    if (name == "STATE") return model::VolumeId::state();
    if (name == "EPHEMERAL") return model::VolumeId::ephemeral();
    if (name == "IMAGECACHE")
        fields.report().error(
            fields.place("name"),
            "the \"IMAGECACHE\" volume is not supported, only \"STATE\" and \"EPHEMERAL\" are",
            base::ErrorCode::Unsupported);
    else
        fields.report().error(
            fields.place("name"),
            "only [\"STATE\" \"EPHEMERAL\" \"IMAGECACHE\"] volumes are supported");
    return std::nullopt;
}

std::optional<model::VolumeId> readId(Fields &fields, std::string_view kind) {
    const auto name = fields.text("name");
    if (!name) {
        if (fields.any("name") == nullptr)
            fields.report().error(fields.place(), "name is required");
        return std::nullopt;
    }
    if (kind == kSystemVolume) return systemVolume(fields, *name);
    const VolumeKind volumeKind = kind == kUserVolume  ? VolumeKind::User
                                  : kind == kRawVolume ? VolumeKind::Raw
                                                       : VolumeKind::Swap;
    auto id = model::VolumeId::named(volumeKind, *name);
    if (id) return *id;
    fields.report().error(fields.place("name"), id.error().message);
    return std::nullopt;
}

// An ID whose kind has the same rules, for a document whose own name is wrong.
model::VolumeId placeholderId(std::string_view kind) {
    if (kind == kSystemVolume) return model::VolumeId::ephemeral();
    const VolumeKind volumeKind = kind == kUserVolume  ? VolumeKind::User
                                  : kind == kRawVolume ? VolumeKind::Raw
                                                       : VolumeKind::Swap;
    return *model::VolumeId::named(volumeKind, "x");
}

bool isGiven(const TreeNode *node) {
    return node != nullptr && !(node->type == TreeNode::Type::Map && node->entries.empty());
}

void readProvisioning(Fields &fields, VolumeKind kind) {
    const TreeNode *provisioning = fields.any("provisioning");
    if (provisioning == nullptr || !fields.map("provisioning") || !isGiven(provisioning)) return;
    if (kind == VolumeKind::State)
        fields.report().error(provisioning->place,
                              "provisioning config is not allowed for the \"STATE\" volume");
    else
        fields.report().warning(provisioning->place,
                                "provisioning is ignored: the partition has to be there");
}

void refuse(Fields &fields, std::string_view name, std::string message) {
    fields.report().error(fields.place(name), std::move(message), base::ErrorCode::Unsupported);
}

void readVolumeType(Fields &fields) {
    const auto type = fields.text("volumeType");
    if (!type || *type == "partition") return;
    if (*type != "directory" && *type != "disk") {
        fields.report().error(fields.place("volumeType"),
                              fmt::format("unsupported volume type {}", quote(*type)));
        return;
    }
    refuse(fields, "volumeType",
           fmt::format("volumeType {} is not supported, only \"partition\" is", quote(*type)));
    if (*type == "directory") {
        for (const std::string_view name : {"provisioning", "encryption", "filesystem"})
            if (isGiven(fields.any(name)))
                fields.report().error(
                    fields.place(name),
                    fmt::format("{} spec is invalid for volumeType directory", name));
        return;
    }
    const TreeNode *provisioning = fields.any("provisioning");
    if (provisioning == nullptr) return;
    for (const std::string_view name : {"minSize", "maxSize", "grow"})
        if (provisioning->find(name) != nullptr) {
            fields.report().error(provisioning->place,
                                  "min size, max size and grow are not supported");
            return;
        }
}

void readVolume(Fields &fields, std::string_view kind, Draft &draft) {
    draft.spec.position = fields.report().position(fields.place());
    readProvisioning(fields, draft.spec.id.kind());
    if (kind == kUserVolume) readVolumeType(fields);
    readDevice(fields, draft);
    readFilesystem(fields, draft);
    readMount(fields, draft);
    draft.spec.encryption = readEncryption(fields, draft);
    fields.finish();
}

}  // namespace

void readDocument(const Document &document, Report &report, std::vector<Draft> &drafts) {
    const TreeNode *root = document.root;
    if (root == nullptr || root->type == TreeNode::Type::Null) return;
    report.setVolume({});
    if (root->type != TreeNode::Type::Map) {
        report.error(root->place,
                     fmt::format("a document must be a map, not {}", typeName(root->type)));
        return;
    }
    const TreeNode *kindNode = root->find("kind");
    const bool hasKind = kindNode != nullptr && kindNode->type == TreeNode::Type::Text;
    const auto kind = hasKind ? knownKind(kindNode->text) : std::nullopt;
    if (!kind) {
        reportSkipped(*root, hasKind ? kindNode : nullptr, report);
        return;
    }
    const std::size_t errorsBefore = report.errorCount();
    Fields fields(*root, "", report);
    fields.any("kind");
    const auto id = readId(fields, *kind);
    if (id) report.setVolume(id->text());
    const TreeNode *name = root->find("name");
    const bool unsupported =
        !id && *kind == kSystemVolume && name != nullptr && name->text == "IMAGECACHE";
    if (!checkApiVersion(fields) || unsupported) {
        // Nothing more can be said, but the volume counts as declared.
        if (!id) return;
        Draft &draft = drafts.emplace_back(*id);
        draft.valid = false;
        draft.spec.position = report.position(root->place);
        return;
    }
    Draft draft(id ? *id : placeholderId(*kind));
    readVolume(fields, *kind, draft);
    draft.valid = report.errorCount() == errorsBefore;
    if (id) drafts.push_back(std::move(draft));
}

}  // namespace volumecrypt::config
