// SPDX-License-Identifier: Apache-2.0
// libdevmapper tasks. libcryptsetup's own deactivation tries again for seconds when it meets EBUSY.
#include "luks/device_mapper.h"

#include <cerrno>
#include <cstdint>

#include <fcntl.h>
#include <libdevmapper.h>
#include <unistd.h>

#include "base/scope_exit.h"
#include "base/unique_fd.h"

namespace volumecrypt::luks {
namespace {

using DmTask = base::CHandle<dm_task, dm_task_destroy>;

// libdevmapper would write to stderr; the errno says what is needed. C calls this: nothing in it
// can throw.
extern "C" void dropDmLog(int /*level*/, const char * /*file*/, int /*line*/, int /*errnoOrClass*/,
                          const char * /*format*/, ...) {}

// A node alone says nothing: opening it loads the module, or fails. Without a node, libdevmapper
// makes it.
bool hasDeviceMapper() {
    if (::access("/sys/class/misc/device-mapper", F_OK) == 0) return true;
    const auto control = base::openFile("/dev/mapper/control", O_RDWR);
    return control || control.error().code != base::ErrorCode::NotFound;
}

base::Error dmError(const std::string &what, int errnoValue) {
    return base::errnoError(what, errnoValue == 0 ? EIO : errnoValue);
}

base::Result<DmTask> makeTask(int type, const std::string &name) {
    ::dm_log_with_errno_init(dropDmLog);
    DmTask task(::dm_task_create(type));
    if (!task || ::dm_task_set_name(task.get(), name.c_str()) == 0)
        return base::fail(base::ErrorCode::Io, "device-mapper cannot be asked about " + name);
    return task;
}

// Whether the device of the finished task exists; its errno says so when the task failed.
base::Result<bool> run(dm_task *task, const std::string &what) {
    if (::dm_task_run(task) == 0) {
        const int problem = ::dm_task_get_errno(task);
        if (problem == ENXIO) return false;
        return base::fail(dmError(what, problem));
    }
    dm_info info{};
    if (::dm_task_get_info(task, &info) == 0) return base::fail(dmError(what, EIO));
    return info.exists != 0;
}

std::vector<std::string> targetsOf(dm_task *task) {
    std::vector<std::string> targets;
    void *next = nullptr;
    do {
        std::uint64_t start = 0;
        std::uint64_t length = 0;
        char *type = nullptr;
        char *parameters = nullptr;
        next = ::dm_get_next_target(task, next, &start, &length, &type, &parameters);
        if (type != nullptr) targets.emplace_back(type);
    } while (next != nullptr);
    return targets;
}

}  // namespace

base::Result<std::optional<DmDevice>> findDmDevice(const std::string &name) {
    std::optional<DmDevice> found;
    if (!hasDeviceMapper()) return found;
    const std::string what = "look at the mapping " + name;
    // The status of a crypt target says nothing; its table would show the key.
    VC_ASSIGN(const DmTask status, makeTask(DM_DEVICE_STATUS, name));
    ::dm_task_no_flush(status.get());
    VC_ASSIGN(bool exists, run(status.get(), what));
    if (!exists) return found;
    VC_ASSIGN(const DmTask dependencies, makeTask(DM_DEVICE_DEPS, name));
    VC_ASSIGN(exists, run(dependencies.get(), what));
    if (!exists) return found;

    dm_info info{};
    if (::dm_task_get_info(status.get(), &info) == 0) return base::fail(dmError(what, EIO));
    DmDevice device;
    const char *uuid = ::dm_task_get_uuid(status.get());
    device.uuid = uuid == nullptr ? "" : uuid;
    device.openCount = info.open_count;
    device.targets = targetsOf(status.get());
    const dm_deps *list = ::dm_task_get_deps(dependencies.get());
    for (std::uint32_t i = 0; list != nullptr && i < list->count; ++i)
        device.backing.push_back(static_cast<dev_t>(list->device[i]));
    found = std::move(device);
    return found;
}

base::Status removeDmDevice(const std::string &name, bool deferred) {
    if (!hasDeviceMapper())
        return base::fail(base::ErrorCode::NotFound, "there is no mapping " + name);
    const std::string what = "remove the mapping " + name;
    VC_ASSIGN(const DmTask task, makeTask(DM_DEVICE_REMOVE, name));
    if (deferred && ::dm_task_deferred_remove(task.get()) == 0)
        return base::fail(base::ErrorCode::Unsupported,
                          "this system cannot remove mappings in use later");
    std::uint32_t cookie = 0;
    if (::dm_task_set_cookie(task.get(), &cookie, DM_UDEV_DISABLE_LIBRARY_FALLBACK) == 0)
        return base::fail(base::ErrorCode::Io, what + ": udev cannot be waited for");
    const bool done = ::dm_task_run(task.get()) != 0;
    const int problem = done ? 0 : ::dm_task_get_errno(task.get());
    ::dm_udev_wait(cookie);
    ::dm_task_update_nodes();
    if (!done) return base::fail(dmError(what, problem));
    return {};
}

}  // namespace volumecrypt::luks
