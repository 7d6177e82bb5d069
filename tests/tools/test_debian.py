#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The maintainer scripts of debian/: what stays when a package goes, and what is said of it (TAP)."""
import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve()
sys.path.insert(0, str(HERE.parents[1]))
from support.tap import equal, holds, lacks, run, tests_of  # noqa: E402  pylint: disable=wrong-import-position

DEBIAN = HERE.parents[2] / "debian"
MAPPINGS = {"luks2-u-data": "CRYPT-LUKS2-0123-luks2-u-data", "luks2-STATE": "CRYPT-LUKS2-4567-luks2-STATE",
            "luks2-somebody": "CRYPT-LUKS2-89ab-luks2-somebody", "luks2-r-lvm": "LVM-cdef", "vg-root": "LVM-0011"}
FILES = ["etc/volumecrypt/volumes.yaml", "etc/volumecrypt/keys/data", "etc/volumecrypt/state/pins/u-data.json",
         "etc/volumecrypt/state/wipe/u-old", "var/lib/volumecrypt/pins/u-data.json"]


def removed(mappings, *arguments):
    """What the script says when the package goes while these are open."""
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, uuid) in enumerate(mappings.items()):
            device = pathlib.Path(folder, f"dm-{number}/dm")
            device.mkdir(parents=True)
            (device / "name").write_text(f"{name}\n", encoding="utf-8")
            (device / "uuid").write_text(f"{uuid}\n", encoding="utf-8")
        script = (DEBIAN / "volumecrypt.prerm").read_text(encoding="utf-8").replace("/sys/class/block", folder)
        done = subprocess.run(["sh", "-c", script, "prerm", *arguments], check=True, capture_output=True, text=True,
                              env={**os.environ, "DPKG_ROOT": folder})
        equal(done.stdout, "")
        return done.stderr


def purged(**environment):
    """What is left of FILES, and what was said."""
    with tempfile.TemporaryDirectory() as folder:
        for name in FILES:
            path = pathlib.Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        done = subprocess.run([str(DEBIAN / "volumecrypt.postrm"), "purge"], check=True, capture_output=True, text=True,
                              env={**os.environ, "DPKG_ROOT": folder, **environment})
        return [name for name in FILES if pathlib.Path(folder, name).exists()], done.stderr


def test_open_volumes():
    """Whoever removes the package with open volumes hears which they are, and that they stay so."""
    said = removed(MAPPINGS, "remove")
    holds(said, "stay open")
    holds(said, "\n  luks2-u-data luks2-STATE\n")
    holds(said, "README.Debian")


def test_nothing_open():
    """Without one, and at an upgrade, there is nothing to say."""
    equal(removed({"vg-root": "LVM-0011"}, "remove"), "")
    equal(removed({}, "remove"), "")
    equal(removed(MAPPINGS, "upgrade", "9"), "")


def test_purge():
    """Purging keeps declarations, keys and pins, and says so."""
    left, said = purged()
    equal(left, FILES)
    holds(said, "/etc/volumecrypt is kept")


def test_purge_of_pins():
    """When asked for it removes pins and orders to wipe, and nothing that somebody wrote."""
    left, said = purged(VOLUMECRYPT_PURGE="pins")
    equal(left, FILES[:2])
    lacks(said, "kept")
    equal(purged(VOLUMECRYPT_PURGE="everything")[0], FILES)


def test_documented():
    """README.Debian names the variable, and each folder that is kept."""
    text = (DEBIAN / "volumecrypt.README.Debian").read_text(encoding="utf-8")
    for part in ("VOLUMECRYPT_PURGE=pins apt purge volumecrypt", "/etc/volumecrypt/state", "/var/lib/volumecrypt",
                 "volumecryptctl erase"):
        holds(text, part)


def test_services():
    """Of all units only the two daemons are restarted or stopped: never those that hold volumes."""
    rules = (DEBIAN / "rules").read_text(encoding="utf-8")
    named = [line.split()[1:] for line in rules.splitlines() if line.startswith("\tdh_installsystemd")]
    equal([arguments[0] for arguments in named], ["-pvolumecrypt", "-pvolumecrypt-kms-server"])
    for package, *options, unit in named:
        equal((options, unit), (["--no-enable", "--no-start", "--restart-after-upgrade"], f"{package[2:]}.service"))
    scripts = [path for path in DEBIAN.iterdir() if path.name.endswith(("inst", "rm"))]
    called = {line.strip() for path in scripts for line in path.read_text(encoding="utf-8").splitlines()
              if "systemctl" in line or "deb-systemd-invoke" in line}
    equal(called, {f"deb-systemd-invoke stop {unit}.service >/dev/null || true"
                   for unit in ("volumecrypt", "volumecrypt-kms-server")})


if __name__ == "__main__":
    run(tests_of(dict(globals())))
