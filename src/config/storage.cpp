// SPDX-License-Identifier: Apache-2.0
// Device and file system of a volume, with the defaults of its kind.
#include <algorithm>

#include <fmt/format.h>

#include "config/draft.h"
#include "config/fields.h"
#include "config/text.h"
#include "config/values.h"

namespace volumecrypt::config {
namespace {

using model::FilesystemType;
using model::VolumeKind;

constexpr std::string_view kByPartLabel = "/dev/disk/by-partlabel/";

FilesystemType defaultFilesystem(const model::VolumeId &id) {
    if (id.kind() == VolumeKind::Raw) return FilesystemType::None;
    if (id.kind() == VolumeKind::Swap) return FilesystemType::Swap;
    return isImageCache(id) ? FilesystemType::Ext4 : FilesystemType::Xfs;
}

// STATE holds the salt and pins of the other volumes: it always has a file system.
bool isSupported(const model::VolumeId &id, FilesystemType type) {
    if (!isMountable(id.kind())) return type == defaultFilesystem(id);
    if (type == FilesystemType::None) return id.kind() != VolumeKind::State;
    return type != FilesystemType::Swap;
}

void readMeta(Fields &fields, Draft &draft) {
    const bool isState = draft.spec.id.kind() == VolumeKind::State;
    const std::string meta = readPath(fields, "meta");
    if (meta.empty()) return;
    if (!isState) {
        fields.report().error(fields.place("meta"),
                              fmt::format("{} belongs to STATE only", fields.pathOf("meta")));
        return;
    }
    draft.spec.metaDevice = meta;
    draft.meta = fields.report().position(fields.place("meta"));
}

void readXfs(Fields &filesystem, model::FilesystemSpec &spec) {
    auto xfs = filesystem.map("xfs");
    if (!xfs) return;
    if (spec.type != FilesystemType::Xfs)
        filesystem.report().error(xfs->place(),
                                  "xfs options are only available for xfs filesystem");
    if (const auto text = xfs->text("minAllocationGroupSize")) {
        const auto size = parseByteSize(*text);
        if (!size)
            filesystem.report().error(
                xfs->place("minAllocationGroupSize"),
                fmt::format("{} must be a size such as 128GiB, not {}",
                            xfs->pathOf("minAllocationGroupSize"), quote(*text)));
        spec.minAllocationGroupSize = size.value_or(0);
    }
    xfs->finish();
}

}  // namespace

bool isSystemVolume(VolumeKind kind) {
    return kind == VolumeKind::State || kind == VolumeKind::Ephemeral || kind == VolumeKind::System;
}

bool isImageCache(const model::VolumeId &id) {
    return id.text() == "IMAGECACHE";
}

bool isMountable(VolumeKind kind) {
    return isSystemVolume(kind) || kind == VolumeKind::User;
}

void readDevice(Fields &document, Draft &draft) {
    model::VolumeSpec &spec = draft.spec;
    const model::SourcePosition here = document.report().position(document.place());
    spec.device = {std::string(kByPartLabel) + spec.id.text(), true};
    draft.device = here;
    if (spec.id.kind() == VolumeKind::State) {
        spec.metaDevice = std::string(kByPartLabel) + "META";
        draft.meta = here;
    }
    auto fields = document.map("volume");
    if (!fields) return;
    if (const std::string device = readPath(*fields, "device"); !device.empty()) {
        spec.device = {device, false};
        draft.device = document.report().position(fields->place("device"));
    }
    readMeta(*fields, draft);
    spec.unlock =
        fields
            ->choice<model::UnlockPolicy>("unlock", {{"auto", model::UnlockPolicy::Auto},
                                                     {"manual", model::UnlockPolicy::Manual}})
            .value_or(model::UnlockPolicy::Auto);
    spec.format =
        fields
            ->choice<model::FormatPolicy>("format", {{"ifEmpty", model::FormatPolicy::IfEmpty},
                                                     {"never", model::FormatPolicy::Never}})
            .value_or(model::FormatPolicy::IfEmpty);
    fields->finish();
}

void readFilesystem(Fields &document, Draft &draft) {
    const model::VolumeId &id = draft.spec.id;
    model::FilesystemSpec &spec = draft.spec.filesystem;
    Report &report = document.report();
    spec.type = defaultFilesystem(id);
    auto fields = document.map("filesystem");
    if (fields && isImageCache(id) && !fields->node().entries.empty())
        report.error(fields->place(),
                     "filesystem config is not allowed for the \"IMAGECACHE\" "
                     "volume");
    if (const auto name = fields ? fields->text("type") : std::nullopt) {
        const auto type = model::filesystemFromName(*name);
        if (type && isSupported(id, *type))
            spec.type = *type;
        else
            report.error(fields->place("type"),
                         fmt::format("unsupported filesystem type: {}", printable(*name)));
    }
    if (isSystemVolume(id.kind()) && spec.type != FilesystemType::None) spec.label = id.text();
    if (!fields) return;
    if (const auto label = fields->text("label")) {
        spec.label = *label;
        if (const auto fault = labelFault(spec.type, *label))
            report.error(fields->place("label"),
                         fmt::format("{} {}", fields->pathOf("label"), *fault));
    }
    spec.projectQuota = fields->flag("projectQuotaSupport").value_or(false);
    if (spec.projectQuota && spec.type != FilesystemType::Xfs)
        report.error(fields->place("projectQuotaSupport"),
                     "project quota support is only available for xfs filesystem");
    readXfs(*fields, spec);
    fields->finish();
}

}  // namespace volumecrypt::config
