#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the running service says of itself is what dbus/*.xml says (TAP).
usage: test_introspection.py SOURCE VOLUMECRYPTD FAKE_ENGINE"""
import json
import pathlib
import subprocess
import sys
import xml.etree.ElementTree as ET

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
from daemon_place import DaemonPlace  # noqa: E402
from support.private_bus import wait_for  # noqa: E402
from support.tap import equal, run, tests_of  # noqa: E402

SOURCE = pathlib.Path(sys.argv[1])
VOLUMECRYPTD, FAKE_ENGINE = sys.argv[2:4]
NAME = "org.example.VolumeCrypt"
ROOT = "/org/example/VolumeCrypt"
EMITS = "org.freedesktop.DBus.Property.EmitsChangedSignal"
# Of libsystemd and the bus specification.
STANDARD = {"org.freedesktop.DBus.Introspectable", "org.freedesktop.DBus.Peer", "org.freedesktop.DBus.Properties"}
MANAGER = "org.freedesktop.DBus.ObjectManager"
CONFIG = """apiVersion: v1alpha1
kind: UserVolumeConfig
name: {name}
volume: {{device: {folder}/{name}.img}}
encryption: {{provider: luks2, keys: [{{slot: 0, nodeID: {{}}}}]}}
---
"""


class Service(DaemonPlace):
    """A context manager: the daemon with two volumes and a job that runs."""

    def _start(self):
        folder = self.bus.folder
        self.write({"volumes.yaml": "".join(CONFIG.format(name=name, folder=folder) for name in ("data", "a-b"))},
                   {"inspect": "result\n", "sync": "hang\n"})
        self.start_daemon(VOLUMECRYPTD, FAKE_ENGINE)
        wait_for(lambda: NAME in self.run("busctl", "--system", "list", "--no-legend"), "the daemon is on the bus")
        self.run("busctl", "--system", "call", NAME, self.volume, NAME + ".Volume", "Sync", "a{sv}", "0")

    volume = ROOT + "/volume/u_2ddata"

    def job_path(self):
        text = self.run("busctl", "--system", "call", NAME, ROOT, NAME + ".Manager", "ListJobs")
        return text.split('"')[1]

    def run(self, *command):
        done = subprocess.run(command, env=self.bus.environment, capture_output=True, text=True, timeout=60,
                              check=False)
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout


def declared(name):
    """Our own description of an interface."""
    return ET.parse(SOURCE / "dbus" / f"{NAME}.{name}.xml").getroot().find("interface")


def annotation(element, name, default):
    for entry in element.findall("annotation"):
        if entry.get("name") == name:
            return entry.get("value")
    return default


def members(interface):
    """Every member with all that a caller can see of it."""
    found = {}
    for method in interface.findall("method"):
        found["method", method.get("name")] = [
            (arg.get("direction", "in"), arg.get("name"), arg.get("type")) for arg in method.findall("arg")]
    for signal in interface.findall("signal"):
        found["signal", signal.get("name")] = [(arg.get("name"), arg.get("type")) for arg in signal.findall("arg")]
    for prop in interface.findall("property"):
        found["property", prop.get("name")] = (prop.get("type"), prop.get("access"), annotation(prop, EMITS, "true"))
    return found


def rows(interface):
    """Our description as the lines of `busctl introspect`: name -> type, signature, result, flags."""
    table = {}
    for method in interface.findall("method"):
        args = method.findall("arg")
        table["." + method.get("name")] = (
            "method", "".join(a.get("type") for a in args if a.get("direction", "in") == "in") or "-",
            "".join(a.get("type") for a in args if a.get("direction", "in") == "out") or "-", "-")
    for signal in interface.findall("signal"):
        table["." + signal.get("name")] = ("signal", "".join(a.get("type") for a in signal.findall("arg")) or "-",
                                           "-", "-")
    flags = {"true": "emits-change", "invalidates": "emits-invalidation", "const": "const", "false": "-"}
    for prop in interface.findall("property"):
        table["." + prop.get("name")] = ("property", prop.get("type"), None,
                                         flags[annotation(prop, EMITS, "true")])
    return table


def objects(service):
    return {ROOT: "Manager", service.volume: "Volume", ROOT + "/volume/u_2da_2db": "Volume",
            service.job_path(): "Job"}


def test_gdbus(service):
    """gdbus introspect shows what dbus/*.xml says, and nothing else"""
    for path, name in objects(service).items():
        text = service.run("gdbus", "introspect", "--system", "--dest", NAME, "--object-path", path, "--xml")
        shown = {interface.get("name"): interface for interface in ET.fromstring(text).findall("interface")}
        more = {MANAGER} if path == ROOT else set()
        equal(set(shown), STANDARD | more | {f"{NAME}.{name}"})
        equal(members(shown[f"{NAME}.{name}"]), members(declared(name)))


def test_busctl_introspect(service):
    """busctl introspect shows what dbus/*.xml says"""
    for path, name in objects(service).items():
        text = service.run("busctl", "--system", "--no-legend", "--full", "introspect", NAME, path, f"{NAME}.{name}")
        shown = {}
        for line in text.splitlines():
            member, kind, signature, *rest = line.split()
            if kind == "interface":
                continue
            # A property's value may hold blanks; its flags come last.
            shown[member] = (kind, signature, None if kind == "property" else rest[0], rest[-1])
        equal(shown, rows(declared(name)))


def test_busctl_tree(service):
    """busctl tree shows the root, every volume and every job"""
    lines = service.run("busctl", "--system", "--list", "tree", NAME).split()
    equal([line for line in lines if line.startswith(ROOT + "/")],
          sorted([ROOT + "/job", ROOT + "/volume", *(path for path in objects(service) if path != ROOT)]))
    assert ROOT in lines, lines


def test_managed_objects(service):
    """GetManagedObjects has the properties that dbus/*.xml declares"""
    text = service.run("busctl", "--system", "--json=short", "call", NAME, ROOT, MANAGER, "GetManagedObjects")
    managed = json.loads(text)["data"][0]
    equal(set(managed), {path for path in objects(service) if path != ROOT})
    for path, interfaces in managed.items():
        name = objects(service)[path]
        wanted = {prop.get("name"): prop.get("type") for prop in declared(name).findall("property")}
        equal({key: value["type"] for key, value in interfaces[f"{NAME}.{name}"].items()}, wanted)


def test_nothing_can_be_written(service):
    """no property can be set by anybody"""
    for path, name in objects(service).items():
        for prop in declared(name).findall("property"):
            equal(prop.get("access"), "read")
        done = subprocess.run(["busctl", "--system", "set-property", NAME, path, f"{NAME}.{name}",
                               declared(name).find("property").get("name"), "s", "x"],
                              env=service.bus.environment, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode != 0 and "not writable" in done.stderr, done.stderr


run(tests_of(globals()), Service)
