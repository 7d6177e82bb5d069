// SPDX-License-Identifier: Apache-2.0
// The stand-in's volumes and answers; runs until SIGTERM, or until a test makes it die.
#include "fake_service.h"

#include <cstdio>
#include <utility>

#include <sys/mman.h>

#include <poll.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

namespace volumecrypt::test {
namespace {

sdbus::Error failure(const std::string &name, const std::string &message) {
    return bus::busError(kErrorPrefix + name, message);
}

std::string contentOf(const sdbus::UnixFd &fd) {
    std::string content(16384, '\0');
    const ssize_t got = ::read(fd.get(), content.data(), content.size());
    content.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return content;
}

Options step(const std::string &action, std::uint32_t slot, const std::string &kind,
             const std::string &reason) {
    return {{"action", sdbus::Variant(action)},
            {"slot", sdbus::Variant(slot)},
            {"kind", sdbus::Variant(kind)},
            {"reason", sdbus::Variant(reason)}};
}

Options remark(const std::string &action, const std::string &reason) {
    return {{"action", sdbus::Variant(action)},
            {"kind", sdbus::Variant(std::string("volume"))},
            {"reason", sdbus::Variant(reason)}};
}

std::vector<Options> stepsOf(const std::string &id) {
    if (id != "u-data") return {step("keep", 0, "nodeID", "as declared")};
    return {step("keep", 0, "nodeID", "as declared"),
            step("replace", 1, "static", "the passphrase changed"),
            remark("warn", "the TPM alone opens it"), remark("note", "16 MiB are not used")};
}

std::vector<FakeState> states() {
    std::vector<FakeState> states;
    states.push_back(
        {"STATE",
         "/dev/vda2",
         "unlocked",
         "/system/state",
         true,
         "",
         false,
         {{0U, "nodeID", true, false, "ok"}, {5U, "unknown", false, false, "unverified"}},
         {},
         {"", ""}});
    states.push_back({"u-data",
                      "/dev/vda3",
                      "locked",
                      "/var/mnt/data",
                      false,
                      "var-mnt-data.mount failed\nsee `journalctl -b -u 'var-mnt-data.mount'`",
                      true,
                      {{0U, "nodeID", true, true, "ok"},
                       {1U, "static", true, false, "stale"},
                       {2U, "tpm", true, false, "ok"},
                       {30U, "passphrase", true, false, "ok"}},
                      {{1U, "the KMS does not answer"}},
                      {"NoUsableKey", "u-data: no declared key opens it"}});
    states.push_back({"u-evil",
                      "/dev/\033[2J\nx",
                      "locked",
                      "/mnt/\xe2\x80\xaex",
                      false,
                      "",
                      false,
                      {},
                      {},
                      {"Io", "\033]0;x\a"}});
    for (const char *id : {"u-busy", "u-dies", "u-instant"})
        states.push_back({id, "/dev/vda9", "locked", "", false, "", false, {}, {}, {"", ""}});
    return states;
}

}  // namespace

FakeService::FakeService(sdbus::IConnection &bus)
    : ManagerAdaptor(bus, sdbus::ObjectPath("/org/example/VolumeCrypt")), bus_(bus) {
    registerAdaptor();
    for (auto &state : states())
        volumes_.push_back(std::make_unique<FakeVolume>(bus, *this, std::move(state)));
}

FakeService::~FakeService() {
    unregisterAdaptor();
}

void FakeService::note(const std::string &line) const {
    std::printf("%s\n", line.c_str());
    std::fflush(stdout);
}

sdbus::ObjectPath FakeService::start(const std::string &operation, const std::string &volume,
                                     int ticks, const std::string &error) {
    auto job = std::make_unique<FakeJob>(bus_, ++lastJob_, operation, volume, ticks, error);
    auto path = job->path();
    if (ticks > 0)
        jobs_.push_back(std::move(job));
    else
        (void)job->advance();
    return path;
}

void FakeService::tick() {
    std::erase_if(jobs_, [](const auto &job) { return job->advance(); });
}

sdbus::ObjectPath FakeService::GetVolume(const std::string &id) {
    for (const auto &volume : volumes_)
        if (volume->state().id == id) return FakeVolume::pathOf(id);
    throw failure("NotFound", "no volume " + id + " is declared\nsee `volumecryptctl list`");
}

std::vector<sdbus::ObjectPath> FakeService::ListJobs() {
    std::vector<sdbus::ObjectPath> paths;
    for (const auto &job : jobs_) paths.push_back(job->path());
    return paths;
}

void FakeService::Plan(
    sdbus::Result<std::vector<sdbus::Struct<std::string, std::vector<Options>>>> &&result) {
    result.returnResults({{"STATE", stepsOf("STATE")}, {"u-data", stepsOf("u-data")}});
}

void FakeService::Reload(sdbus::Result<> &&result, Options /*options*/) {
    result.returnResults();
}

void FakeService::Apply(sdbus::Result<sdbus::ObjectPath> &&result, Options options) {
    std::string line = "apply";
    for (const auto &[name, value] : options)
        line += " " + name + "=" +
                (name == "secret" ? "[" + contentOf(value.get<sdbus::UnixFd>()) + "]"
                                  : value.get<std::string>());
    note(line);
    result.returnResults(start("apply", "/", 2, "InvalidConfig"));
}

std::vector<sdbus::Struct<std::string, std::uint32_t, std::uint32_t, std::string, std::string>>
FakeService::ConfigErrors() {
    return {{"/etc/volumecrypt/a.yaml", 3U, 7U, "InvalidConfig", "slot 32 is out of range"}};
}

std::vector<sdbus::Struct<std::string, std::uint32_t, std::uint32_t, std::string, std::string>>
FakeService::ConfigWarnings() {
    return {{"/etc/volumecrypt/b.yml", 0U, 0U, "InvalidConfig", "is not read: the name"}};
}

sdbus::ObjectPath FakeVolume::pathOf(const std::string &id) {
    char *path = nullptr;
    ::sd_bus_path_encode("/org/example/VolumeCrypt/volume", id.c_str(), &path);
    sdbus::ObjectPath result(path);
    ::free(path);  // NOLINT(cppcoreguidelines-no-malloc): libsystemd allocates it
    return result;
}

FakeVolume::FakeVolume(sdbus::IConnection &bus, FakeService &service, FakeState state)
    : VolumeAdaptor(bus, pathOf(state.id)), service_(service), state_(std::move(state)) {
    registerAdaptor();
}

FakeVolume::~FakeVolume() {
    unregisterAdaptor();
}

std::string FakeVolume::asked() {
    const int may =
        ::sd_bus_message_get_allow_interactive_authorization(bus::currentCall(getObject()));
    return may > 0 ? " ask" : " no-ask";
}

// Of an option that is no descriptor.
static std::string textOf(const sdbus::Variant &value) {
    if (value.containsValueOfType<bool>()) return "true";
    if (value.containsValueOfType<std::uint64_t>())
        return std::to_string(value.get<std::uint64_t>());
    return value.get<std::string>();
}

void FakeVolume::begin(sdbus::Result<sdbus::ObjectPath> &&result, const std::string &operation,
                       const Options &options) {
    std::string line = operation + " " + state_.id + asked();
    for (const auto &[name, value] : options)
        if (value.containsValueOfType<sdbus::UnixFd>())
            line += " " + name + "=[" + contentOf(value.get<sdbus::UnixFd>()) + "]";
        else
            line += " " + name + "=" + textOf(value);
    service_.note(line);
    const bool instant = state_.id == "u-instant";
    if (state_.id == "u-dies") service_.dying = true;
    result.returnResults(service_.start(operation, pathOf(state_.id), instant ? 0 : 12));
}

std::string FakeVolume::Mapping() {
    return state_.state == "unlocked" ? "/dev/mapper/luks2-" + state_.id : "";
}

void FakeVolume::Authorize(sdbus::Result<> &&result, std::string operation, Options /*options*/) {
    service_.note("authorize " + state_.id + " " + operation + asked());
    result.returnResults();
}

void FakeVolume::Unlock(sdbus::Result<std::string> &&result, Options options) {
    const auto secret = options.find("secret");
    service_.note("unlock " + state_.id + asked() +
                  (secret == options.end()
                       ? ""
                       : " [" + contentOf(secret->second.get<sdbus::UnixFd>()) + "]"));
    if (state_.id == "u-dies") {
        service_.dying = true;
        return;
    }
    const bool right = secret != options.end() &&
                       ::lseek(secret->second.get<sdbus::UnixFd>().get(), 0, SEEK_SET) == 0 &&
                       contentOf(secret->second.get<sdbus::UnixFd>()) == "right";
    if (!right) {
        // What can be said of the key of u-instant has a name of its own.
        result.returnError(failure(state_.id == "u-instant" ? "PcrMismatch" : "NoUsableKey",
                                   state_.id + ": no declared key opens it\n"
                                               "give a passphrase"));
        return;
    }
    state_.state = "unlocked";
    emitPropertiesChangedSignal("org.example.VolumeCrypt.Volume",
                                bus::properties({"State", "Mapping", "KeySlots"}));
    result.returnResults(Mapping());
}

void FakeVolume::Lock(sdbus::Result<> &&result, Options /*options*/) {
    service_.note("lock " + state_.id + asked());
    if (state_.id == "u-busy") {
        result.returnError(failure("Busy", "u-busy: in use by 2 mounts\nunmount them"));
        return;
    }
    if (state_.id == "u-evil") {
        result.returnError(
            bus::busError("org.freedesktop.DBus.Error.AccessDenied", "nobody said yes"));
        return;
    }
    state_.state = "locked";
    emitPropertiesChangedSignal("org.example.VolumeCrypt.Volume",
                                bus::properties({"State", "Mapping"}));
    result.returnResults();
}

void FakeVolume::Plan(sdbus::Result<std::vector<Options>> &&result) {
    result.returnResults(stepsOf(state_.id));
}

void FakeVolume::RotateKey(sdbus::Result<sdbus::ObjectPath> &&result, std::uint32_t slot,
                           Options options) {
    begin(std::move(result), "rotate-" + std::to_string(slot), options);
}

void FakeVolume::AddKey(sdbus::Result<std::uint32_t> &&result, std::string kind,
                        sdbus::UnixFd secret, Options options) {
    const std::string given = contentOf(secret);
    const auto found = options.find("unlockSecret");
    const std::string opening =
        found == options.end() ? std::string() : contentOf(found->second.get<sdbus::UnixFd>());
    service_.note("add-key " + state_.id + " " + kind + " [" + given + "]" +
                  (opening.empty() ? "" : " unlock=[" + opening + "]"));
    if (kind == "recovery" && given.find("cbdefghi") == std::string::npos)
        return result.returnError(failure("KeyRejected", "this is not the recovery key"));
    // No declared key opens this one.
    if (state_.id == "u-instant" && opening.empty())
        return result.returnError(
            failure("NoUsableKey", "u-instant: no declared key opens it\ngive one"));
    if (state_.id == "u-instant" && opening != "old one")
        return result.returnError(failure("KeyRejected", "the given secret opens none"));
    result.returnResults(31U);
}

void FakeVolume::RemoveKey(sdbus::Result<> &&result, std::uint32_t slot, Options /*options*/) {
    service_.note("remove-key " + state_.id + " " + std::to_string(slot));
    if (slot == 0)
        result.returnError(failure("LastKey", "slot 0 holds the last key of u-data"));
    else
        result.returnResults();
}

void FakeVolume::NewRecoveryKey(sdbus::Result<sdbus::UnixFd> &&result, Options /*options*/) {
    service_.note("new-recovery-key " + state_.id);
    const int fd = ::memfd_create("key", MFD_CLOEXEC);
    const std::string key =
        "cbdefghi-jklnrtuv-vutrnlkj-ihgfedbc-cbdefghi-jklnrtuv-vutrnlkj-ihgfedbc";
    if (::write(fd, key.data(), key.size()) != static_cast<ssize_t>(key.size()) ||
        ::lseek(fd, 0, SEEK_SET) != 0)
        return result.returnError(failure("Io", "no memory file"));
    result.returnResults(sdbus::UnixFd(fd, sdbus::adopt_fd));
}

// As the engine does: what it writes is there when the job has ended.
void FakeVolume::BackupHeader(sdbus::Result<sdbus::ObjectPath> &&result, sdbus::UnixFd file,
                              Options options) {
    if (::write(file.get(), "header", 6) != 6) std::abort();
    begin(std::move(result), "backup-header", options);
}

void FakeVolume::RestoreHeader(sdbus::Result<sdbus::ObjectPath> &&result, sdbus::UnixFd file,
                               Options options) {
    begin(std::move(result), "restore-header [" + contentOf(file) + "]", options);
}

FakeJob::FakeJob(sdbus::IConnection &bus, unsigned number, std::string operation,
                 std::string volume, int ticks, std::string error)
    : JobAdaptor(bus, sdbus::ObjectPath("/org/example/VolumeCrypt/job/" + std::to_string(number))),
      path_("/org/example/VolumeCrypt/job/" + std::to_string(number)),
      operation_(std::move(operation)),
      volume_(std::move(volume)),
      ticks_(ticks),
      error_(std::move(error)) {
    registerAdaptor();
    emitInterfacesAddedSignal();
}

FakeJob::~FakeJob() {
    emitInterfacesRemovedSignal();
    unregisterAdaptor();
}

bool FakeJob::advance() {
    if (++done_ < ticks_) return false;
    if (told_) return --lingers_ == 0;
    told_ = true;
    if (error_.empty())
        emitFinished(true, "", "all of it was done");
    else
        emitFinished(false, kErrorPrefix + error_, "it went wrong\ndo better");
    return false;
}

void FakeJob::Cancel(sdbus::Result<> &&result, Options /*options*/) {
    error_ = "Cancelled";
    done_ = ticks_;
    result.returnResults();
}

std::string FakeJob::State() {
    return done_ < ticks_ ? "running" : error_.empty() ? "succeeded" : "failed";
}

std::uint64_t FakeJob::FinishedAt() {
    return done_ < ticks_ ? 0 : StartedAt() + 90'000'000;
}

std::string FakeJob::Error() {
    return done_ < ticks_ || error_.empty() ? "" : kErrorPrefix + error_;
}

std::string FakeJob::Message() {
    if (done_ < ticks_) return "";
    return error_.empty() ? "all of it was done" : "it went wrong\ndo better";
}

double FakeJob::Progress() {
    return static_cast<double>(done_) / (ticks_ == 0 ? 1 : ticks_);
}

std::uint64_t FakeJob::BytesDone() {
    return static_cast<std::uint64_t>(Progress() * static_cast<double>(kBytes));
}

}  // namespace volumecrypt::test

int main() {
    namespace bus = volumecrypt::bus;
    const auto connection = sdbus::createSystemBusConnection();
    volumecrypt::test::FakeService service(*connection);
    connection->requestName(bus::ServiceName("org.example.VolumeCrypt"));
    service.note("ready");
    while (!service.dying) {
        while (bus::processOne(*connection)) {
        }
        const auto data = connection->getEventLoopPollData();
        pollfd waiting{.fd = data.fd, .events = data.events, .revents = 0};
        if (::poll(&waiting, 1, 100) == 0) service.tick();
    }
    ::_exit(0);
}
