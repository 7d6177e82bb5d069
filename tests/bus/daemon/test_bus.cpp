// SPDX-License-Identifier: Apache-2.0
// polkitd has its folders compiled in: it runs in a mount namespace of its own, where ours are
// mounted over them, so that the machine's are neither used nor touched.
#include "test_bus.h"

#include <cstdlib>
#include <stdexcept>

#include <sys/mount.h>
#include <sys/stat.h>

#include <sched.h>
#include <unistd.h>

#include "bus/sdbus.h"
#include "support/listening.h"

namespace volumecrypt::test {
namespace {

// As on a real system bus: nothing is allowed that a policy does not allow.
constexpr const char *kBusConfig = R"(
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
  "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <listen>unix:path=@DIR@/socket</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus"/>
  </policy>
  <policy user="root">
    <allow own="org.freedesktop.systemd1"/>
    <allow send_destination="org.freedesktop.systemd1"/>
    <allow send_interface="org.freedesktop.PolicyKit1.AuthenticationAgent"/>
  </policy>
  <include>/usr/share/dbus-1/system.d/org.freedesktop.PolicyKit1.conf</include>
  <include>@POLICY@</include>
</busconfig>
)";

std::string replaced(std::string text, const std::string &what, const std::string &with) {
    for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at))
        text.replace(at, what.size(), with);
    return text;
}

void mountOver(const std::string &folder, const char *place) {
    if (::mount(folder.c_str(), place, nullptr, MS_BIND, nullptr) != 0) ::_exit(126);
}

}  // namespace

TestBus::TestBus(Polkit polkit) {
    ::chmod(folder_.path().c_str(), 0755);
    for (const char *name : {"rules", "vendor-rules", "actions"})
        std::filesystem::create_directory(folder_.file(name));
    startBus();
    if (polkit == Polkit::Real) startPolkit();
}

void TestBus::startBus() {
    const auto config = folder_.write(
        "bus.conf",
        replaced(replaced(kBusConfig, "@DIR@", folder_.path()), "@POLICY@", BUS_POLICY));
    bus_ = Companion({"/usr/bin/dbus-daemon", "--nofork", "--nosyslog", "--config-file=" + config},
                     folder_.file("bus.log"));
    if (!eventually([&] { return isListening(folder_.file("socket")); }))
        throw std::runtime_error("dbus-daemon does not start");
    ::setenv("DBUS_SYSTEM_BUS_ADDRESS", ("unix:path=" + folder_.file("socket")).c_str(), 1);
}

void TestBus::startPolkit() {
    std::filesystem::copy(POLKIT_POLICY, folder_.file("actions"));
    polkit_ = Companion({"/usr/lib/polkit-1/polkitd", "--no-debug"}, folder_.file("polkit.log"),
                        [&folder = folder_] {
                            if (::unshare(CLONE_NEWNS) != 0) ::_exit(126);
                            ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
                            mountOver(folder.file("rules"), "/etc/polkit-1/rules.d");
                            mountOver(folder.file("vendor-rules"), "/usr/share/polkit-1/rules.d");
                            mountOver(folder.file("actions"), "/usr/share/polkit-1/actions");
                        });
    const auto connection = sdbus::createSystemBusConnection();
    const auto driver =
        bus::makeProxy(*connection, "org.freedesktop.DBus", "/org/freedesktop/DBus");
    const auto there = [&driver] {
        bool owned = false;
        driver->callMethod("NameHasOwner")
            .onInterface("org.freedesktop.DBus")
            .withArguments("org.freedesktop.PolicyKit1")
            .storeResultsTo(owned);
        return owned;
    };
    if (!eventually(there)) throw std::runtime_error("polkitd does not start");
}

void TestBus::writeRule(const std::string &name, const std::string &javascript) const {
    folder_.write("rules/" + name + ".rules", javascript);
}

void TestBus::removeRules() const {
    for (const auto &entry : std::filesystem::directory_iterator(folder_.file("rules")))
        std::filesystem::remove(entry.path());
}

}  // namespace volumecrypt::test
