#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The version is that of meson.build: the change logs agree, the programs are told, nothing else names it (TAP).
usage: test_version.py SOURCE VERSION PROGRAM..."""
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
from support.tap import equal, run, tests_of  # noqa: E402  pylint: disable=wrong-import-position

SOURCE, VERSION = pathlib.Path(sys.argv[1]), sys.argv[2]
PROGRAMS = sys.argv[3:]
# What is installed, or makes something that is.
FOLDERS = ["src", "dbus", "polkit", "systemd", "completions", "man", "examples", "debian"]


def first(pattern, name):
    found = re.search(pattern, (SOURCE / name).read_text(encoding="utf-8"), re.MULTILINE)
    assert found, f"{name} has no {pattern}"
    return found.groups()


def test_changelog():
    """The first entry of CHANGELOG.md is of this version, and of no later one."""
    equal(first(r"^## (\S+) \(.+\)$", "CHANGELOG.md"), (VERSION,))


def test_debian():
    """So is that of debian/changelog, and both say of the same version whether it is out."""
    version, distribution = first(r"\Avolumecrypt \((\S+)-[1-9][0-9]*\) (\S+); urgency", "debian/changelog")
    equal(version, VERSION)
    state, = first(r"^## \S+ \((.+)\)$", "CHANGELOG.md")
    equal((state == "not yet released"), (distribution == "UNRELEASED"))


def test_programs():
    """Each program says it."""
    for program in PROGRAMS:
        said = subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout
        equal(said, f"{pathlib.Path(program).name} {VERSION}\n")


def test_one_place():
    """No source and no page has it in its text: it would be forgotten there."""
    files = [path for folder in FOLDERS for path in (SOURCE / folder).rglob("*") if path.is_file()]
    named = [str(path.relative_to(SOURCE)) for path in files
             if re.search(rf"(?<![\d.]){re.escape(VERSION)}(?![\d.]*\d)", path.read_text(encoding="utf-8"))]
    equal(named, ["debian/changelog"])


if __name__ == "__main__":
    run(tests_of(dict(globals())))
