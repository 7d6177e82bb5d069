// SPDX-License-Identifier: Apache-2.0
// The kinds of documents: four of volumes, one for all of them.
#include "config/volume_document.h"

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "config/draft.h"
#include "config/fields.h"
#include "config/text.h"

namespace volumecrypt::config {
namespace {

using model::VolumeKind;

constexpr std::string_view kSystemVolume = "VolumeConfig";
constexpr std::string_view kUserVolume = "UserVolumeConfig";
constexpr std::string_view kRawVolume = "RawVolumeConfig";
constexpr std::string_view kSwapVolume = "SwapVolumeConfig";
constexpr std::string_view kTrim = "FilesystemTrimConfig";
const std::vector<std::string_view> kDocumentKinds{kSystemVolume, kUserVolume, kRawVolume,
                                                   kSwapVolume, kTrim};

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

// Of the documents whose volumes are named freely.
VolumeKind volumeKind(std::string_view kind) {
    if (kind == kUserVolume) return VolumeKind::User;
    return kind == kRawVolume ? VolumeKind::Raw : VolumeKind::Swap;
}

std::optional<model::VolumeId> readId(Fields &fields, std::string_view kind) {
    const auto name = fields.text("name");
    if (!name) {
        if (fields.any("name") == nullptr)
            fields.report().error(fields.place(), "name is required");
        return std::nullopt;
    }
    auto id = kind == kSystemVolume ? model::VolumeId::system(*name)
                                    : model::VolumeId::named(volumeKind(kind), *name);
    if (id) return *id;
    fields.report().error(fields.place("name"), id.error().message);
    return std::nullopt;
}

// An ID whose kind has the same rules, for a document whose own name is wrong.
model::VolumeId placeholderId(std::string_view kind) {
    if (kind == kSystemVolume) return model::VolumeId::ephemeral();
    return *model::VolumeId::named(volumeKind(kind), "x");
}

// False when the document is about no volume of ours.
bool readVolume(Fields &fields, std::string_view kind, Draft &draft) {
    draft.spec.position = fields.report().position(fields.place());
    const bool isVolume = readPlace(fields, draft.spec.id);
    readDevice(fields, draft);
    readFilesystem(fields, draft);
    readMount(fields, draft);
    draft.spec.encryption = readEncryption(fields, draft);
    if (kind == kSystemVolume || kind == kUserVolume) readUpkeep(fields, draft);
    fields.finish();
    return isVolume;
}

void readGeneral(Fields &fields, Report &report, std::optional<TrimDefault> &trim) {
    if (!checkApiVersion(fields)) return;
    if (trim)
        report.error(fields.place(), fmt::format("{} is declared twice", kTrim));
    else
        trim = readTrimDefault(fields);
}

}  // namespace

void readDocument(const Document &document, Report &report, std::vector<Draft> &drafts,
                  std::optional<TrimDefault> &trim) {
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
    if (*kind == kTrim) {
        readGeneral(fields, report, trim);
        return;
    }
    const auto id = readId(fields, *kind);
    if (id) report.setVolume(id->text());
    if (!checkApiVersion(fields)) {
        // Nothing more can be said, but the volume counts as declared.
        if (!id) return;
        Draft &draft = drafts.emplace_back(*id);
        draft.valid = false;
        draft.spec.position = report.position(root->place);
        return;
    }
    Draft draft(id ? *id : placeholderId(*kind));
    const bool isVolume = readVolume(fields, *kind, draft);
    draft.valid = report.errorCount() == errorsBefore;
    if (id && isVolume) drafts.push_back(std::move(draft));
}

}  // namespace volumecrypt::config
