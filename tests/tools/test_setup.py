#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""tools/setup knows what each suite calls its packages (TAP)."""
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
from support.tap import equal, holds, run, tests_of  # noqa: E402

SETUP = pathlib.Path(__file__).parents[2] / "tools" / "setup"
# A library of each suite whose version is in its name.
OF_SUITE = {"bookworm": "libsdbus-c++1", "trixie": "libyaml-cpp0.8", "sid": "libyaml-cpp0.9"}
GROUPS = ["build", "run", "test", "check", "matrix", "vm"]


def setup(*arguments):
    return subprocess.run([SETUP, *arguments], capture_output=True, text=True, check=False)


def packages(suite, group):
    result = setup("--suite", suite, "--list", group)
    equal((result.stderr, result.returncode), ("", 0))
    return result.stdout.split()


def test_suites():
    """the groups of each suite are listed, with the libraries of that suite and of no other"""
    for suite in OF_SUITE:
        for group in GROUPS:
            assert packages(suite, group), f"nothing in {group} of {suite}"
        equal([name for name in OF_SUITE.values() if name in packages(suite, "run")], [OF_SUITE[suite]])


def test_image():
    """the image of a suite leaves it to our packages to bring the libraries that they need"""
    for suite in OF_SUITE:
        equal([name for name in OF_SUITE.values() if name in packages(suite, "vm")], [])


def test_divided():
    """what a suite took out of other packages is named there, and only there"""
    for suite, divided in ("bookworm", False), ("trixie", True), ("sid", True):
        equal("systemd-dev" in packages(suite, "build"), divided)
        equal("systemd-cryptsetup" in packages(suite, "test"), divided)
        equal("systemd-cryptsetup" in packages(suite, "vm"), divided)


def test_unknown():
    """of another suite nothing is guessed"""
    result = setup("--suite", "potato", "--list", "run")
    equal((result.stdout, result.returncode), ("", 64))
    holds(result.stderr, "not of 'potato'")


def test_group():
    """nor of another group"""
    equal(setup("--list", "nothing").returncode, 64)


run(tests_of(globals()))
