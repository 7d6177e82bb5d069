// SPDX-License-Identifier: Apache-2.0
// Mount point, options and waiting, with the defaults of the volume's kind.

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "config/draft.h"
#include "config/text.h"
#include "config/values.h"

namespace volumecrypt::config {
namespace {

using model::FilesystemType;
using model::VolumeKind;

// What keeps a file system that somebody else wrote from handing out root, and what takes it back.
struct Guard {
    std::string_view option;
    std::string_view opposite;
};
constexpr std::array<Guard, 3> kGuards{{{"nodev", "dev"}, {"nosuid", "suid"}, {"noexec", "exec"}}};
constexpr std::array<std::string_view, 5> kAccessTimes{"atime", "noatime", "relatime", "norelatime",
                                                       "strictatime"};

bool isAmong(const std::vector<std::string> &options, std::string_view option) {
    return std::find(options.begin(), options.end(), option) != options.end();
}

std::string defaultMountPoint(const model::VolumeId &id) {
    if (id.kind() == VolumeKind::State) return "/system/state";
    if (id.kind() == VolumeKind::User) return "/var/mnt/" + id.name();
    return {};
}

std::vector<std::string> readOptionList(Fields &fields) {
    std::vector<std::string> options;
    for (const auto &[option, place] : fields.texts("options")) {
        if (const auto fault = mountOptionFault(option))
            fields.report().error(place, fmt::format("{}: {}", fields.pathOf("options"), *fault));
        else
            options.push_back(option);
    }
    return options;
}

// Talos' words for options; not for those whose mount is its own business there.
std::optional<bool> readTalosFlag(Fields &fields, std::string_view name, const Draft &draft) {
    const auto flag = fields.flag(name);
    const bool refused = draft.spec.id.kind() == VolumeKind::State || isImageCache(draft.spec.id);
    if (!flag || !refused) return flag;
    fields.report().error(
        fields.place(name),
        fmt::format("mount config is not allowed for the {} volume", quote(draft.spec.id.text())));
    return std::nullopt;
}

// Of `mount.secure`, as in Talos; not given, scripts and programs on a data volume still run, as
// everywhere else.
std::vector<std::string> guards(std::optional<bool> secure, const model::VolumeId &id,
                                const std::vector<std::string> &given) {
    std::vector<std::string> options;
    if (!secure.value_or(true)) return options;
    const bool noExec =
        secure && (id.kind() == VolumeKind::User || id.text() == "ETCD" || id.text() == "LOG");
    for (const Guard &guard : kGuards)
        if ((guard.option != "noexec" || noExec) && !isAmong(given, guard.option) &&
            !isAmong(given, guard.opposite))
            options.emplace_back(guard.option);
    return options;
}

std::vector<std::string> readMountOptions(Fields &fields, const Draft &draft) {
    std::vector<std::string> given = readOptionList(fields);
    const auto secure = readTalosFlag(fields, "secure", draft);
    const auto noAccessTime = readTalosFlag(fields, "disableAccessTime", draft);
    std::vector<std::string> options = guards(secure, draft.spec.id, given);
    if (noAccessTime.value_or(false) &&
        std::none_of(kAccessTimes.begin(), kAccessTimes.end(),
                     [&given](std::string_view option) { return isAmong(given, option); }))
        options.emplace_back("noatime");
    options.insert(options.end(), std::make_move_iterator(given.begin()),
                   std::make_move_iterator(given.end()));
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

// The fields that say where and how a volume that can be mounted is.
void readMountSpec(Fields &fields, Draft &draft) {
    const std::string where = readMountPoint(fields, draft);
    std::vector<std::string> options = readMountOptions(fields, draft);
    if (!where.empty()) {
        draft.spec.mount = model::MountSpec{where, std::move(options)};
        return;
    }
    if (fields.any("where") != nullptr) return;
    if (fields.any("options") != nullptr)
        fields.report().error(
            fields.place("options"),
            fmt::format("{} needs a {}", fields.pathOf("options"), fields.pathOf("where")));
    // Talos writes it into every EPHEMERAL.
    for (const std::string_view name : {"secure", "disableAccessTime"})
        if (fields.any(name) != nullptr) {
            fields.report().warning(fields.place(name),
                                    fmt::format("{} does nothing without a {}", fields.pathOf(name),
                                                fields.pathOf("where")));
            return;
        }
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

void readMount(Fields &document, Draft &draft) {
    model::VolumeSpec &spec = draft.spec;
    const VolumeKind kind = spec.id.kind();
    spec.required = (kind == VolumeKind::State || kind == VolumeKind::Ephemeral) &&
                    spec.unlock == model::UnlockPolicy::Auto;
    draft.where = document.report().position(document.place());
    auto fields = document.map("mount");
    if (!fields) {
        if (spec.filesystem.type == FilesystemType::None) return;
        if (const std::string where = defaultMountPoint(spec.id); !where.empty())
            spec.mount = model::MountSpec{where, guards(std::nullopt, spec.id, {})};
        return;
    }
    if (isMountable(kind))
        readMountSpec(*fields, draft);
    else
        refuseMountSpec(*fields, kind);
    readRequired(*fields, draft);
    readDeviceTimeout(*fields, draft);
    fields->finish();
}

}  // namespace volumecrypt::config
