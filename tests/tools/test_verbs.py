#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""An engine verb, a method of the bus and a command have all that belongs to them (TAP). What the compiler, the man page
tests, Authorization.EveryMethodOfAVolumeIsGuarded and the completion tests name is not looked at again.
usage: test_verbs.py VOLUMECRYPTCTL ENGINE"""
import pathlib
import re
import subprocess
import sys
import xml.etree.ElementTree as ET

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
from support.tap import equal, run, tests_of  # noqa: E402  pylint: disable=wrong-import-position

SOURCE = pathlib.Path(__file__).parents[2]
VOLUMECRYPTCTL, ENGINE = sys.argv[1:3]
# Of these a command makes use besides what it is called after: mayType(), add-key --recovery.
HELPERS = {"Authorize", "NewRecoveryKey"}


def texts(*patterns):
    return "\n".join(path.read_text(encoding="utf-8") for pattern in patterns for path in sorted(SOURCE.glob(pattern)))


def help_of(program, begin, end):
    text = subprocess.run([program, "--help"], check=True, capture_output=True, text=True).stdout
    names = re.findall(r"^  ([a-z-]+) ", text[text.index(begin):].split(end)[0], re.MULTILINE)
    assert len(names) > 10, names
    return names


def verbs():
    return help_of(ENGINE, "\nVerbs:\n", "\n\n")


def commands():
    return help_of(VOLUMECRYPTCTL, "\nShow:", "\nWithout a command")


def methods(interface="Volume"):
    """name -> element"""
    root = ET.parse(SOURCE / f"dbus/org.example.VolumeCrypt.{interface}.xml").getroot()
    return {method.get("name"): method for method in root.iter("method")}


def not_yet():
    """Methods that answer Unsupported."""
    return set(re.findall(r"^void BusVolume::(\w+)\([^{]*\{\n    notYet<", texts("src/bus/volume.cpp"), re.MULTILINE))


def kebab(name):
    return re.sub(r"(?<=.)([A-Z])", r"-\1", name).lower()


def operations():
    """The rows of daemon/volume_operations.h: constant -> (method, verb)."""
    found = re.findall(r'JobOperation<[\w:]+> (k\w+)\{\s*\{\.name = "(\w+)",\s*\.verb = "([a-z-]+)"',
                       texts("src/daemon/volume_operations.h"))
    assert len(found) > 5, found
    return {constant: (name, verb) for constant, name, verb in found}


def test_commands():
    """every method of a volume has its command"""
    equal([name for name in methods() if name not in HELPERS | not_yet() and kebab(name) not in commands()], [])


def test_operations():
    """every row of an operation is a method, is called by it, and starts a verb of the engine"""
    called = texts("src/bus/volume.h")
    for constant, (name, verb) in operations().items():
        equal((constant, name in methods(), verb in verbs()), (constant, True, True))
        equal((constant, re.search(rf"void {name}\([^{{]*\{{\s*start\([^;]*operation::{constant}\);", called) is not None),
              (constant, True))
    others = set(re.findall(r'\.verb = "([a-z-]+)"', texts("src/daemon/*.cpp", "src/daemon/*.h")))
    equal(others - set(verbs()), set())


def test_secrets():
    """whoever is asked for a secret can be asked for the right before"""
    taking = {kebab(name) for interface in ("Manager", "Volume") for name, method in methods(interface).items()
              if "secret (h)" in " ".join("".join(method.itertext()).split()) or
              any(arg.get("name") == "secret" and arg.get("direction") == "in" for arg in method.findall("arg"))}
    equal(set(re.findall(r'operation == "([a-z-]+)"', texts("src/bus/volume.cpp"))), taking)
    summary = "".join(methods()["Authorize"].find("arg").itertext()).split()
    equal({word.strip(",") for word in summary} - {"or"}, taking)
    source = re.sub(r'"\n *"', "", texts("src/bus/volume.cpp"))
    asked = re.search(r'operations that take a secret are ([^"]*)"', source).group(1).split()
    equal({word.strip(",") for word in asked} - {"and"}, taking)


def test_engine_tests():
    """every verb of the engine is run by a test on files or on real device-mapper"""
    tests = texts("tests/contract/*.cpp", "tests/support/*.cpp", "tests/dm/*.py")
    equal([verb for verb in verbs() if f'"{verb}"' not in tests], [])


def test_bus_tests():
    """every method of a volume is called by a test of the service"""
    tests = texts("tests/bus/daemon/*_test.cpp")
    equal([name for name in methods() if name not in not_yet() and f'"{name}"' not in tests], [])


def test_command_line_tests():
    """every command is run by a test of the command line"""
    tests = texts("tests/bus/test_cli_*.py")
    equal([command for command in commands() if f'"{command}"' not in tests], [])


def test_every_test_runs():
    """every test program's source is named by the build file of its folder"""
    wrong = []
    for path in sorted((SOURCE / "tests").rglob("*_test.cpp")):
        build = (path.parent / "meson.build").read_text(encoding="utf-8")
        if f"'{path.name}'" not in build and f"'{path.name.removesuffix('_test.cpp')}'" not in build:
            wrong.append(str(path.relative_to(SOURCE)))
    equal(wrong, [])


if __name__ == "__main__":
    run(tests_of(dict(globals())))
