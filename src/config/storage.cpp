// SPDX-License-Identifier: Apache-2.0
// Device, file system and mount of a volume, with the defaults of its kind.
#include "config/storage.h"

#include <algorithm>

#include <fmt/format.h>

#include "config/paths.h"
#include "config/text.h"
#include "config/values.h"

namespace volumecrypt::config {
namespace {

using model::FilesystemType;
using model::VolumeKind;

constexpr std::string_view kByPartLabel = "/dev/disk/by-partlabel/";

bool isSystemVolume(VolumeKind kind) {
    return kind == VolumeKind::State || kind == VolumeKind::Ephemeral;
}

bool isMountable(VolumeKind kind) {
    return isSystemVolume(kind) || kind == VolumeKind::User;
}

FilesystemType defaultFilesystem(VolumeKind kind) {
    if (kind == VolumeKind::Raw) return FilesystemType::None;
    if (kind == VolumeKind::Swap) return FilesystemType::Swap;
    return FilesystemType::Xfs;
}

// STATE holds the salt and pins of the other volumes: it always has a file system.
bool isSupported(VolumeKind kind, FilesystemType type) {
    if (!isMountable(kind)) return type == defaultFilesystem(kind);
    if (type == FilesystemType::None) return kind != VolumeKind::State;
    return type != FilesystemType::Swap;
}

std::string defaultMountPoint(const model::VolumeId &id) {
    if (id.kind() == VolumeKind::State) return "/system/state";
    if (id.kind() == VolumeKind::User) return "/var/mnt/" + id.name();
    return {};
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

std::vector<std::string> readMountOptions(Fields &fields) {
    std::vector<std::string> options;
    for (const auto &[option, place] : fields.texts("options")) {
        if (const auto fault = mountOptionFault(option))
            fields.report().error(place, fmt::format("{}: {}", fields.pathOf("options"), *fault));
        else
            options.push_back(option);
    }
    return options;
}

// Where the volume is mounted; empty for one that is not.
std::string readMountPoint(Fields &fields, Draft &draft) {
    const bool hasFilesystem = draft.spec.filesystem.type != FilesystemType::None;
    const auto where = fields.text("where");
    if (!where) return hasFilesystem ? defaultMountPoint(draft.spec.id) : std::string();
    const Place place = fields.place("where");
    if (const auto fault = mountPointFault(*where)) {
        fields.report().error(place, fmt::format("{} {}", fields.pathOf("where"), *fault));
        return {};
    }
    if (!hasFilesystem)
        fields.report().error(place,
                              fmt::format("{} needs a file system, but filesystem.type is none",
                                          fields.pathOf("where")));
    draft.where = fields.report().position(place);
    return *where;
}

// `mount.where` and `mount.options` of a volume that can be mounted.
void readMountSpec(Fields &fields, Draft &draft) {
    const std::string where = readMountPoint(fields, draft);
    std::vector<std::string> options = readMountOptions(fields);
    if (!where.empty())
        draft.spec.mount = model::MountSpec{where, std::move(options)};
    else if (fields.any("options") != nullptr && fields.any("where") == nullptr)
        fields.report().error(
            fields.place("options"),
            fmt::format("{} needs a {}", fields.pathOf("options"), fields.pathOf("where")));
}

void refuseMountSpec(Fields &fields, VolumeKind kind) {
    for (const std::string_view name : {"where", "options"})
        if (fields.any(name) != nullptr)
            fields.report().error(fields.place(name),
                                  fmt::format("{}: a {} volume is not mounted", fields.pathOf(name),
                                              model::kindName(kind)));
}

void readDeviceTimeout(Fields &fields, Draft &draft) {
    const auto text = fields.text("deviceTimeout");
    if (!text) return;
    draft.spec.deviceTimeout = parseDuration(*text);
    if (!draft.spec.deviceTimeout)
        fields.report().error(fields.place("deviceTimeout"),
                              fmt::format("{} must be a time such as 15s, 1min or 2h, not {}",
                                          fields.pathOf("deviceTimeout"), quote(*text)));
}

void readRequired(Fields &fields, Draft &draft) {
    const auto required = fields.flag("required");
    if (!required) return;
    draft.spec.required = *required;
    if (*required && draft.spec.unlock == model::UnlockPolicy::Manual)
        fields.report().error(fields.place("required"),
                              fmt::format("{}: a volume that is unlocked by hand (volume.unlock) "
                                          "cannot be required",
                                          fields.pathOf("required")));
}

}  // namespace

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
    spec.type = defaultFilesystem(id.kind());
    auto fields = document.map("filesystem");
    if (const auto name = fields ? fields->text("type") : std::nullopt) {
        const auto type = model::filesystemFromName(*name);
        if (type && isSupported(id.kind(), *type))
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
    fields->finish();
}

void readMount(Fields &document, Draft &draft) {
    model::VolumeSpec &spec = draft.spec;
    Report &report = document.report();
    spec.required = isSystemVolume(spec.id.kind()) && spec.unlock == model::UnlockPolicy::Auto;
    draft.where = report.position(document.place());
    auto fields = document.map("mount");
    if (!fields) {
        if (spec.filesystem.type == FilesystemType::None) return;
        if (const std::string where = defaultMountPoint(spec.id); !where.empty())
            spec.mount = model::MountSpec{where, {}};
        return;
    }
    if (isMountable(spec.id.kind()))
        readMountSpec(*fields, draft);
    else
        refuseMountSpec(*fields, spec.id.kind());
    readRequired(*fields, draft);
    readDeviceTimeout(*fields, draft);
    fields->finish();
}

}  // namespace volumecrypt::config
