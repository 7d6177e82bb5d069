// SPDX-License-Identifier: Apache-2.0
// Waits for the kernel's table of mounts to change (proc(5)), and compares.
#include "daemon/mount_watch.h"

#include <utility>

#include <linux/magic.h>
#include <sys/epoll.h>
#include <sys/vfs.h>

#include <fcntl.h>

#include "base/files.h"
#include "daemon/mounted.h"

namespace volumecrypt::daemon {
namespace {

constexpr std::chrono::milliseconds kMountsQuiet{100};
constexpr std::chrono::milliseconds kMountsLatest{1000};

bool isKernels(int fd) {
    struct statfs info {};
    return ::fstatfs(fd, &info) == 0 && info.f_type == PROC_SUPER_MAGIC;
}

}  // namespace

MountWatch::MountWatch(EventLoop &loop, VolumeTable &volumes, UnitStates &units,
                       model::SystemPaths paths)
    : volumes_(volumes),
      units_(units),
      paths_(std::move(paths)),
      changed_(loop, kMountsQuiet, kMountsLatest,
               [this] {
                   for (const auto &volume : volumes_.all()) refresh(*volume);
               }),
      loop_(loop) {}

void MountWatch::start() {
    auto opened = base::openFile(paths_.below("/proc/self/mountinfo"), O_RDONLY);
    if (!opened || !isKernels(opened->get())) return;
    mounts_ = std::move(*opened);
    source_ = loop_.watch(mounts_.get(), EPOLLPRI, [this](std::uint32_t) { changed_.trigger(); });
}

const MountWatch::Unit &MountWatch::unitOf(const Volume &volume) {
    const std::string id = volume.id().text();
    const std::string name = volume.spec().consumerUnit();
    Unit &unit = followed_[id];
    if (unit.name == name) return unit;
    if (!unit.name.empty()) units_.leave(unit.name);
    unit = {.name = name, .state = {}};
    if (name.empty()) return unit;
    units_.follow(name, [this, id, name](const std::string &state) {
        Unit &known = followed_[id];
        if (known.name != name || known.state == state) return;
        known.state = state;
        if (const auto found = volumes_.find(id)) refresh(*found);
    });
    return unit;
}

void MountWatch::fill(const Volume &volume, VolumeStatus &status) {
    const Unit &unit = unitOf(volume);
    status.mounted = MountedVolumes::read(paths_).contain(volume, status);
    // The service's sandbox does not show what is swapped to; systemd knows.
    if (volume.spec().filesystem.type == model::FilesystemType::Swap && unit.state == "active")
        status.mounted = true;
    status.mountFailure = unit.state == "failed"
                              ? unit.name + " failed\nSee `journalctl -b -u '" + unit.name + "'`."
                              : std::string();
}

void MountWatch::refresh(Volume &volume) {
    auto status = volume.status();
    fill(volume, status);
    volumes_.update(volume, std::move(status));
}

}  // namespace volumecrypt::daemon
