#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The installation updates the catalog of journalctl -x, of this machine only (TAP).
usage: test_update_catalog.py SOURCE"""
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
from support.tap import equal, holds, run, tests_of  # noqa: E402

SOURCE = pathlib.Path(sys.argv[1])


def install(into, status):
    """What journalctl was called with, the script's standard error and its exit code."""
    with tempfile.TemporaryDirectory() as folder:
        program, calls = pathlib.Path(folder) / "journalctl", pathlib.Path(folder) / "calls"
        program.write_text(f'#!/bin/sh\necho "$@" >> "{calls}"\nexit {status}\n', encoding="utf-8")
        program.chmod(0o755)
        result = subprocess.run([str(SOURCE / "systemd" / "update-catalog")], capture_output=True, text=True,
                                check=False,
                                env={"PATH": f"{folder}:/usr/bin:/bin", "MESON_INSTALL_PREFIX": "/usr",
                                     "MESON_INSTALL_DESTDIR_PREFIX": into})
        return calls.read_text(encoding="utf-8") if calls.exists() else "", result.stderr, result.returncode


def test_installed():
    """meson install runs the script, and the script updates the catalog"""
    holds((SOURCE / "systemd" / "meson.build").read_text(encoding="utf-8"),
          "meson.add_install_script(files('update-catalog'))")
    equal(install("/usr", 0), ("--update-catalog\n", "", 0))


def test_staged():
    """below DESTDIR nothing of this machine is touched"""
    equal(install("/stage/usr", 0), ("", "", 0))


def test_not_allowed():
    """where it cannot be done the installation goes on, and says what to run"""
    calls, error, status = install("/usr", 1)
    equal((calls, status), ("--update-catalog\n", 0))
    holds(error, "run journalctl --update-catalog as root")


if __name__ == "__main__":
    run(tests_of(dict(globals())))
