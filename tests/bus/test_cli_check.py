#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""volumecryptctl check: the configuration's faults without the service, and without a bus (TAP).
usage: test_cli_check.py VOLUMECRYPTCTL FAKE-SERVICE"""
import json
import os
import pathlib
import sys

from cli_fixture import CliFixture
from support.tap import equal, holds, lacks, run, tests_of

GOOD = "apiVersion: v1alpha1\nkind: UserVolumeConfig\nname: {}\n"
SLOT = GOOD + "encryption:\n  provider: luks2\n  keys:\n    - {{slot: 32, nodeID: {{}}}}\n"
SECRET = GOOD + "encryption:\n  provider: luks2\n  keys:\n    - {{slot: 0, static: {{passphrase: hunter2}}}}\n"
LOCKED = GOOD + "encryption:\n  provider: luks2\n  keys:\n    - {{slot: 0, nodeID: {{}}, lockToState: true}}\n"


class CheckFixture(CliFixture):
    def write(self, name, text, mode=0o644):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(mode)
        return str(path)

    @property
    def root(self):
        return pathlib.Path(self.bus.folder) / "root"

    def check(self, *words):
        """Without any bus; the root's path is cut off."""
        result = self.run("check", *words, environment={"PATH": "/usr/bin:/bin", "DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nonexistent"})
        result.stdout = result.stdout.replace(str(self.root), "")
        return result

    def check_root(self, *words):
        return self.check("--root", str(self.root), *words)


def test_valid(cli):
    """a valid configuration is 0 and no line; JSON names the volumes"""
    cli.write("etc/volumecrypt/a.yaml", GOOD.format("a"))
    result = cli.check_root()
    equal((result.returncode, result.stdout, result.stderr), (0, "", ""))
    equal(json.loads(cli.check_root("--json").stdout), {"volumes": ["u-a"], "configErrors": [], "configWarnings": []})
    equal(cli.calls(), [])


def test_nothing(cli):
    """directories that are not there are an empty configuration"""
    equal(cli.check_root().returncode, 0)


def test_errors(cli):
    """every error of every file, by file, line and column; exit 1"""
    cli.write("etc/volumecrypt/a.yaml", SLOT.format("a"))
    cli.write("run/volumecrypt/config/b.yaml", "kind: [\n")
    cli.write("usr/lib/volumecrypt/a.yaml", "hidden: by the first\n")
    result = cli.check_root()
    equal((result.returncode, result.stderr), (1, ""))
    lines = result.stdout.splitlines()
    equal(lines[0], "/etc/volumecrypt/a.yaml:7:14: error: slot 32 is out of range (0-31)")
    holds(lines[1], "/run/volumecrypt/config/b.yaml:")
    equal(len(lines), 2)
    document = json.loads(cli.check_root("--json").stdout)
    first = document["configErrors"][0]
    equal((first["line"], first["column"], first["code"], first["message"]),
          (7, 14, "InvalidConfig", "slot 32 is out of range (0-31)"))
    equal(cli.check_root("--json").returncode, 1)


def test_config_dir(cli):
    """--config-dir takes the place of the usual directories"""
    cli.write("etc/volumecrypt/a.yaml", SLOT.format("a"))
    cli.write("mine/b.yaml", GOOD.format("b"))
    equal(cli.check("--config-dir", str(cli.root / "mine")).returncode, 0)


def test_not_read(cli):
    """what is not read is named with the reason, and is no error"""
    cli.write("etc/volumecrypt/a.yml", GOOD.format("a"))
    cli.write("etc/volumecrypt/b.yaml", "apiVersion: v1alpha1\nkind: Pod\n")
    result = cli.check_root()
    equal(result.returncode, 0)
    equal(result.stdout.splitlines(), ["/etc/volumecrypt/a.yml: warning: is not read: the name has to end with .yaml",
                                       '/etc/volumecrypt/b.yaml:2:7: warning: a document of kind "Pod" is skipped'])


def test_owner_and_mode(cli):
    """a file with a passphrase that is not root's, or that others may read, is named with the reason"""
    path = cli.write("etc/volumecrypt/a.yaml", SECRET.format("a"), 0o644)
    result = cli.check_root()
    equal(result.returncode, 1)
    holds(result.stdout, "a.yaml:7:38: error: the file holds a passphrase but others may read or write it (mode 0644): "
                         "chmod it to 0600")
    lacks(result.stdout, "hunter2")
    os.chmod(path, 0o600)
    equal(cli.check_root().returncode, 0)
    os.chown(path, 1234, 0)
    result = cli.check_root()
    equal(result.returncode, 1)
    holds(result.stdout, "belongs to uid 1234")
    holds(result.stdout, "must belong to root")


def test_files(cli):
    """FILE is read instead, whatever its name; a name that would not count is a warning"""
    cli.write("etc/volumecrypt/z.yaml", SLOT.format("z"))
    good, bad = cli.write("new/a.yaml", GOOD.format("a")), cli.write("new/b.yaml", SLOT.format("b"))
    equal(cli.check(good).returncode, 0)
    equal(cli.check(good, bad).returncode, 1)
    result = cli.check(cli.write("new/c.txt", GOOD.format("c")), cli.write("new/.d.yaml", GOOD.format("d")))
    equal(result.returncode, 0)
    equal(result.stdout.splitlines(), ["/new/c.txt: warning: is not read: the name has to end with .yaml",
                                       "/new/.d.yaml: warning: is not read: the name begins with a dot"])


def test_files_together(cli):
    """what only all files together can say is not said of some; what two of them say is"""
    equal(cli.check(cli.write("new/a.yaml", LOCKED.format("a"))).stdout, "")
    cli.write("etc/volumecrypt/a.yaml", LOCKED.format("a"))
    holds(cli.check_root().stdout, "no document declares")
    twice = cli.check(cli.write("new/b.yaml", GOOD.format("a")), cli.write("new/c.yaml", GOOD.format("a")))
    equal(twice.returncode, 1)
    holds(twice.stdout, "u-a is declared twice")


def test_unreadable(cli):
    """a file that is not there or is none is an error, and does not hide the others"""
    result = cli.check(str(cli.root / "none.yaml"), "/", cli.write("b.yaml", SLOT.format("b")))
    equal(result.returncode, 1)
    holds(result.stdout, "none.yaml: error: ")
    holds(result.stdout, "/: error: is not a regular file")
    holds(result.stdout, "/b.yaml:7:14: error: slot 32")


def test_units(cli):
    """what the generator would refuse is an error as well"""
    cli.write("etc/volumecrypt/a.yaml", GOOD.format("a") + "mount: {where: /srv/a}\nencryption:\n  provider: luks2\n"
              "  keys:\n    - {slot: 0, static: {passphraseFile: /srv/a/key}}\n")
    result = cli.check_root()
    equal(result.returncode, 1)
    holds(result.stdout, "/etc/volumecrypt/a.yaml:1:1: error: volume u-a gets no units: ")


def test_hostile_names(cli):
    """a file's name cannot steer the terminal"""
    cli.write("etc/volumecrypt/\x1b[2J.yml", "")
    shown = cli.check_root().stdout
    holds(shown, "\\x1b[2J.yml: warning: ")
    lacks(shown, "\x1b")


if __name__ == "__main__":
    run(tests_of(dict(globals())), lambda: CheckFixture(sys.argv[1], sys.argv[2]))
