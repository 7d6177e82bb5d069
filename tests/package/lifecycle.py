#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Installs, upgrades, removes and purges the packages, with a systemctl that only takes notes (TAP). Changes the
system that it runs in: only for a throw-away root (tools/package). usage: lifecycle.py FOLDER-OF-PACKAGES"""
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.tap import equal, holds, run, tests_of  # noqa: E402  pylint: disable=wrong-import-position

PACKAGES = [str(path) for path in sorted(pathlib.Path(sys.argv[1]).glob("*.deb")) if "-dbgsym" not in path.name]
NAMES = ["volumecrypt", "volumecrypt-kms", "volumecrypt-kms-server"]
CALLS = pathlib.Path("/run/systemctl-calls")
PINS, CONFIG = pathlib.Path("/etc/volumecrypt/state/pins/u-data.json"), pathlib.Path("/etc/volumecrypt/data.yaml")
# dpkg's own, and what other packages' triggers make anew.
PASSED_OVER = ("/var/lib/dpkg", "/var/log", "/var/cache", "/etc/ld.so.cache", "/var/lib/systemd/catalog",
               "/var/lib/systemd/deb-systemd-helper")


def files():
    """Everything below /etc, /usr and /var that a package could leave."""
    return {str(path) for top in ("/etc", "/usr", "/var") for path in pathlib.Path(top).rglob("*")
            if not str(path).startswith(PASSED_OVER) and path != SYSTEMCTL and "__pycache__" not in path.parts}


def dpkg(*arguments, **environment):
    done = subprocess.run(["dpkg", *arguments], check=False, capture_output=True, text=True,
                          env={**os.environ, "DEBIAN_FRONTEND": "noninteractive", **environment})
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stderr


def calls():
    """What systemctl was asked since the last time, without questions."""
    lines = CALLS.read_text(encoding="utf-8").splitlines() if CALLS.exists() else []
    CALLS.unlink(missing_ok=True)
    words = [[word for word in line.split() if not word.startswith("--")] for line in lines]
    return [" ".join(call) for call in words
            if call and call[0] not in ("show", "is-enabled", "is-active", "cat", "list-unit-files")]


SYSTEMCTL = pathlib.Path("/usr/local/sbin/systemctl")
SYSTEMCTL.write_text(f'#!/bin/sh\necho "$@" >>{CALLS}\n', encoding="utf-8")
SYSTEMCTL.chmod(0o755)
os.environ["PATH"] = "/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
pathlib.Path("/run/systemd/system").mkdir(parents=True, exist_ok=True)
BEFORE = files()


def test_install():
    """Installed, nothing is enabled or started, and no file in /etc is the packages'."""
    dpkg("--install", *PACKAGES)
    equal(set(calls()), {"daemon-reload"})
    made = {path for path in files() - BEFORE if path.startswith(("/etc", "/var"))}
    equal(made, {"/etc/volumecrypt", "/etc/volumecrypt/state"})
    equal(oct(os.stat("/etc/volumecrypt/state").st_mode & 0o7777), "0o700")
    conffiles = subprocess.run(["dpkg-query", "-W", "-f", "${Conffiles}", *NAMES], check=True, capture_output=True,
                               text=True).stdout
    equal(conffiles.strip(), "")


def test_upgrade():
    """An upgrade reads the units anew and restarts the two daemons if they run: no unit that holds a volume."""
    PINS.parent.mkdir(mode=0o700)
    PINS.touch()
    CONFIG.touch()
    dpkg("--install", *PACKAGES)
    seen = calls()
    equal(set(seen), {"daemon-reload", "try-restart volumecrypt.service", "try-restart volumecrypt-kms-server.service"})
    equal(seen[0], "daemon-reload")


def test_remove():
    """Removal stops the daemons alone, leaves what was written, and systemd hears of it."""
    dpkg("--remove", *NAMES)
    seen = calls()
    equal(set(seen), {"daemon-reload", "stop volumecrypt.service", "stop volumecrypt-kms-server.service"})
    equal(seen[-1], "daemon-reload")
    equal((PINS.exists(), CONFIG.exists()), (True, True))


def test_again():
    """Installed again, everything is where it was."""
    dpkg("--install", *PACKAGES)
    equal((PINS.exists(), CONFIG.exists()), (True, True))
    calls()


def test_purge():
    """Purging keeps pins and declarations, and says so; nothing else of the packages is left."""
    said = dpkg("--purge", *NAMES)
    holds(said, "/etc/volumecrypt is kept")
    equal(files() - BEFORE, {"/etc/volumecrypt", "/etc/volumecrypt/state", "/etc/volumecrypt/state/pins", str(PINS),
                             str(CONFIG)})


def test_purge_of_pins():
    """Asked for it, it removes the pins; without declarations nothing at all is left."""
    dpkg("--install", *PACKAGES)
    CONFIG.unlink()
    dpkg("--purge", *NAMES, VOLUMECRYPT_PURGE="pins")
    equal(files() - BEFORE, set())
    equal(BEFORE - files(), set())


if __name__ == "__main__":
    run(tests_of(dict(globals())))
