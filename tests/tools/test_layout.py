#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Where things are installed is said by pkg-config and meson's options, on whichever distribution (TAP).
usage: test_layout.py SOURCE"""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
from support.tap import equal, run, tests_of  # noqa: E402

SOURCE = pathlib.Path(sys.argv[1])
LIBEXEC = "/usr/lib64/helpers/volumecrypt"
# No distribution has these: what is installed elsewhere was not asked for.
PACKAGES = {
    "systemd": {"systemdsystemunitdir": "/usr/sd/system", "systemdsystemgeneratordir": "/usr/sd/generators",
                "catalogdir": "/usr/sd/catalog", "tmpfilesdir": "/usr/sd/tmpfiles.d"},
    "udev": {"udevdir": "/usr/ud"},
    "dbus-1": {"datadir": "/usr/db", "system_bus_services_dir": "/usr/db/services", "interfaces_dir": "/usr/db/xml"},
    "polkit-gobject-1": {"prefix": "/usr/pk", "actiondir": "/usr/pk/actions"},
}
WANTED = {
    "volumecrypt.service": "/usr/sd/system",
    "volumecrypt@.service": "/usr/sd/system",
    "volumecrypt-generator": "/usr/sd/generators",
    "volumecrypt.catalog": "/usr/sd/catalog",
    "volumecrypt.conf": "/usr/sd/tmpfiles.d",
    "90-volumecrypt.rules": "/usr/ud/rules.d",
    "org.example.VolumeCrypt.conf": "/usr/db/dbus-1/system.d",
    "org.example.VolumeCrypt.service": "/usr/db/services",
    "org.example.VolumeCrypt.Volume.xml": "/usr/db/xml",
    "org.example.VolumeCrypt.policy": "/usr/pk/actions",
    "volumecrypt-engine": LIBEXEC,
    "volumecryptd": LIBEXEC,
    "volumecryptctl": "/usr/bin",
    "volumecrypt-engine.8": "/usr/share/man/man8",
}


class Layout:
    """A configured build, with the texts that it makes."""

    def __init__(self, folder):
        described, self.build = folder / "pkgconfig", folder / "build"
        described.mkdir()
        for name, variables in PACKAGES.items():
            lines = [f"{key}={value}" for key, value in variables.items()]
            lines += [f"Name: {name}", "Description: of nowhere", "Version: 999"]
            (described / f"{name}.pc").write_text("\n".join(lines) + "\n", encoding="utf-8")
        environment = {**os.environ, "PKG_CONFIG_PATH": str(described)}
        subprocess.run(["meson", "setup", self.build, SOURCE, "--prefix=/usr", "--libdir=lib64",
                        "--libexecdir=lib64/helpers", "-Dtests=false"], check=True, env=environment,
                       stdout=subprocess.DEVNULL)
        shown = subprocess.run(["meson", "introspect", "--installed", self.build], check=True, capture_output=True,
                               text=True, env=environment).stdout
        # Its name when it is installed, by where it is now.
        self.installed = {pathlib.Path(made): pathlib.Path(place) for made, place in json.loads(shown).items()}
        pages = [str(made.relative_to(self.build)) for made in self.installed if made.suffix in {".1", ".5", ".7", ".8"}]
        subprocess.run(["ninja", "-C", self.build, *pages], check=True, stdout=subprocess.DEVNULL)

    def texts(self):
        """Of what the build makes and is not compiled."""
        return {made.name: made.read_text(encoding="utf-8") for made in self.installed if made.is_file()}


def test_places():
    """each file goes where its reader looks for it"""
    places = {str(place) for place in LAYOUT.installed.values()}
    equal([name for name in WANTED if f"{WANTED[name]}/{name}" not in places], [])
    elsewhere = ("/usr/share/man/", "/usr/share/doc/", "/usr/share/bash-completion/", "/usr/share/zsh/", "/usr/share/fish/")
    equal([place for place in places if not place.startswith((*WANTED.values(), *elsewhere))], [])


def test_names():
    """what is installed names the programs where they are, the manual pages too"""
    texts = LAYOUT.texts()
    for name in "volumecrypt@.service", "org.example.VolumeCrypt.service", "volumecrypt-engine.8", "volumecryptd.8":
        assert f"{LIBEXEC}/volumecrypt" in texts[name], f"{name} does not name {LIBEXEC}"
    usual = re.compile(r"/usr/libexec|^Exec\w*=(?!@)/(?!usr/(bin|lib64)/)|/usr/s?bin/(?!volumecrypt)|(?<!\w)/s?bin/"
                       r"|(?<!\w)/lib/systemd|x86_64-linux-gnu", re.MULTILINE)
    equal({name: found[0] for name, text in texts.items() if (found := usual.search(text))}, {})


def test_compiled():
    """and so do the programs"""
    text = (LAYOUT.build / "build_config.h").read_text(encoding="utf-8")
    for value in LIBEXEC, "/usr/sd/system", "/usr/pk/bin/pkttyagent":
        assert f'"{value}"' in text, f"{value} is not in build_config.h"


with tempfile.TemporaryDirectory() as temporary:
    LAYOUT = Layout(pathlib.Path(temporary))
    run(tests_of(globals()))
