// SPDX-License-Identifier: Apache-2.0
// Connects, reads and calls. Every entry is guarded: sdbus-c++ reports by exceptions.
#include "cli/client.h"

#include <algorithm>
#include <cstdint>
#include <limits>

#include "cli/client_impl.h"

namespace volumecrypt::cli {
namespace {

using base::ErrorCode;
using base::Result;
using base::Status;

constexpr const char *kProperties = "org.freedesktop.DBus.Properties";
constexpr const char *kObjectManager = "org.freedesktop.DBus.ObjectManager";

// Sets the flag ALLOW_INTERACTIVE_AUTHORIZATION on every call of this connection.
void allowInteraction(sdbus::IConnection &connection) {
    (void)::sd_bus_set_allow_interactive_authorization(bus::rawBus(connection), 1);
}

Properties withSecret(const base::UniqueFd &secret) {
    Properties options;
    if (secret.valid()) options.emplace("secret", sdbus::Variant(sdbus::UnixFd(secret.get())));
    return options;
}

}  // namespace

proxies::Volume Client::Impl::volume(const std::string &id) {
    return {*connection, bus::ServiceName(kService), sdbus::ObjectPath(pathOf(id))};
}

Properties Client::Impl::propertiesOf(const std::string &path, const char *interface) {
    const auto proxy = bus::makeProxy(*connection, kService, path);
    Properties properties;
    proxy->callMethod("GetAll")
        .onInterface(kProperties)
        .withTimeout(kReadTimeout)
        .withArguments(std::string(interface))
        .storeResultsTo(properties);
    return properties;
}

void Client::Impl::handleArrived() {
    while (bus::processOne(*connection)) {
    }
}

void Client::Impl::turn(const Interruptible &signals, std::chrono::milliseconds limit) {
    handleArrived();
    const auto data = connection->getEventLoopPollData();
    const int wanted = data.getPollTimeout();
    const int most = static_cast<int>(limit.count());
    signals.wait(data.fd, data.events, wanted < 0 ? most : std::min(wanted, most));
}

void Client::Impl::prepare(bool interactive) {
    if (interactive) allowInteraction(*connection);
    connection->setMethodCallTimeout(std::numeric_limits<std::uint64_t>::max());
    const std::string rule = std::string("type='signal',sender='") + kService + "',interface='" +
                             kJobInterface + "',member='Finished'";
    finishedMatch = bus::addMatch(*connection, rule, [this](sdbus::Message &message) {
        JobEnd end;
        const std::string path = message.getPath();
        const auto status = guarded([&] { message >> end.success >> end.error >> end.message; });
        if (status) ends[path] = end;
    });
}

Client::Client(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Client::Client(Client &&) noexcept = default;
Client &Client::operator=(Client &&) noexcept = default;
Client::~Client() = default;

Result<Client> Client::connect(const std::string &address, bool interactive) {
    auto impl = std::make_unique<Impl>();
    try {
        impl->connection = address.empty() ? sdbus::createSystemBusConnection()
                                           : sdbus::createSessionBusConnectionWithAddress(address);
    } catch (const sdbus::Error &error) {
        return base::fail(
            ErrorCode::NotFound, "cannot reach the bus: " + error.getMessage(),
            "Is D-Bus running? Where it is not, `volumecryptctl unlock` still works for root, and "
            "volumecrypt-engine(8) does the rest.");
    }
    VC_TRY(guarded([&] { impl->prepare(interactive); }));
    return Client(std::move(impl));
}

Result<ServiceInfo> Client::service() {
    return guarded([&] {
        return serviceFrom(
            impl_->propertiesOf(kRoot, org::example::VolumeCrypt::Manager_proxy::INTERFACE_NAME));
    });
}

Result<std::vector<VolumeInfo>> Client::volumes() {
    return guarded([&] {
        std::map<sdbus::ObjectPath, std::map<std::string, Properties>> objects;
        bus::makeProxy(*impl_->connection, kService, kRoot)
            ->callMethod("GetManagedObjects")
            .onInterface(kObjectManager)
            .withTimeout(kReadTimeout)
            .storeResultsTo(objects);
        std::vector<VolumeInfo> volumes;
        for (const auto &[path, interfaces] : objects) {
            const auto found = interfaces.find(kVolumeInterface);
            if (found != interfaces.end()) volumes.push_back(volumeFrom(path, found->second));
        }
        std::sort(volumes.begin(), volumes.end(),
                  [](const auto &a, const auto &b) { return a.id < b.id; });
        return volumes;
    });
}

Result<VolumeInfo> Client::volume(const std::string &id) {
    return guarded([&] {
        const std::string path = impl_->pathOf(id);
        return volumeFrom(path, impl_->propertiesOf(path, kVolumeInterface));
    });
}

Result<std::vector<VolumePlan>> Client::plan() {
    return guarded([&] {
        std::vector<VolumePlan> plans;
        for (const auto &wire : impl_->manager().Plan())
            plans.push_back({wire.get<0>(), stepsFrom(wire.get<1>())});
        return plans;
    });
}

// One that was declared since the service read the configuration has no object yet.
Result<VolumePlan> Client::plan(const std::string &id) {
    VC_ASSIGN(std::vector<VolumePlan> plans, plan());
    const auto found = std::find_if(plans.begin(), plans.end(),
                                    [&id](const VolumePlan &plan) { return plan.id == id; });
    if (found != plans.end()) return std::move(*found);
    // The service says so in its own words.
    VC_TRY(volume(id));
    return base::fail(ErrorCode::NotFound, "nothing is planned for volume " + id,
                      "`volumecryptctl plan` shows all volumes.");
}

Status Client::reload() {
    return guarded([&] { impl_->manager().Reload({}); });
}

Result<std::string> Client::unlock(const std::string &id, const base::UniqueFd &secret) {
    return guarded([&] { return impl_->volume(id).Unlock(withSecret(secret)); });
}

Status Client::lock(const std::string &id) {
    return guarded([&] { impl_->volume(id).Lock({}); });
}

Status Client::authorize(const std::string &id, const std::string &operation) {
    return guarded([&] { impl_->volume(id).Authorize(operation, {}); });
}

Result<unsigned> Client::addKey(const std::string &id, const std::string &kind,
                                const base::UniqueFd &secret, const base::UniqueFd &opening) {
    Properties options;
    if (opening.valid())
        options.emplace("unlockSecret", sdbus::Variant(sdbus::UnixFd(opening.get())));
    return guarded([&]() -> unsigned {
        return impl_->volume(id).AddKey(kind, sdbus::UnixFd(secret.get()), options);
    });
}

Result<base::UniqueFd> Client::newRecoveryKey(const std::string &id) {
    return guarded([&] {
        sdbus::UnixFd key = impl_->volume(id).NewRecoveryKey({});
        return base::UniqueFd(key.release());
    });
}

Status Client::removeKey(const std::string &id, unsigned slot) {
    return guarded([&] { impl_->volume(id).RemoveKey(slot, {}); });
}

Result<std::string> Client::apply(const std::string &id, const base::UniqueFd &secret) {
    return guarded([&] {
        Properties options = withSecret(secret);
        if (!id.empty()) options.emplace("volume", sdbus::Variant(id));
        return jobNumber(impl_->manager().Apply(options));
    });
}

Result<std::string> Client::start(const std::string &id, const char *method,
                                  const JobOptions &how) {
    return guarded([&] {
        Properties options;
        if (how.secret != nullptr) options = withSecret(*how.secret);
        if (!how.confirm.empty()) options.emplace("confirm", sdbus::Variant(how.confirm));
        if (how.rate != 0) options.emplace("rate", sdbus::Variant(how.rate));
        for (const std::string &flag : how.flags) options.emplace(flag, sdbus::Variant(true));
        sdbus::ObjectPath job;
        impl_->volume(id)
            .getProxy()
            .callMethod(method)
            .onInterface(kVolumeInterface)
            .withArguments(options)
            .storeResultsTo(job);
        return jobNumber(job);
    });
}

Result<std::string> Client::rotateKey(const std::string &id, unsigned slot) {
    return guarded([&] { return jobNumber(impl_->volume(id).RotateKey(slot, {})); });
}

}  // namespace volumecrypt::cli
