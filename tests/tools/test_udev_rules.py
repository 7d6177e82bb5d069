#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""90-volumecrypt.rules, followed as udev follows them: which devices keep which link (TAP)."""
import fnmatch
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve()
sys.path.insert(0, str(HERE.parents[1] / "support"))
import tap  # noqa: E402  pylint: disable=wrong-import-position

RULES = (HERE.parents[2] / "systemd/90-volumecrypt.rules").read_text(encoding="utf-8")
MARKS = "/run/systemd/generator/volumecrypt-devices"
TOKEN = re.compile(r'([A-Z]+)(?:\{([^}]*)\})?(==|!=|\+=|=)"([^"]*)"')
LABEL_PATH, UUID_PATH = "disk/by-partlabel/u-data", "disk/by-partuuid/1-2"
PARTITION = {"DEVTYPE": "partition", "ID_PART_ENTRY_SCHEME": "gpt", "ID_PART_ENTRY_NAME": "u-data",
             "ID_PART_ENTRY_UUID": "1-2"}
IN_FLUX = {"DEVTYPE": "partition"}  # the table has no entry of the kernel's size
RENAMED = PARTITION | {"ID_PART_ENTRY_NAME": "other"}


def matches(value, pattern):
    return any(fnmatch.fnmatchcase(value, one) for one in pattern.split("|"))


class Event:
    """One event of vdb1; `db` is what the last one left."""

    def __init__(self, env, db=None, marks=(LABEL_PATH,), action="change", held=False):
        self.env, self.db, self.links, self.tags = dict(env), db or {}, [], []
        self.facts = {"ACTION": action, "SUBSYSTEM": "block", "KERNEL": "vdb1"}
        self.paths = {f"{MARKS}/{mark}" for mark in marks} | {MARKS} | ({"holders/*/dm/name"} if held else set())
        self.follow()

    def expand(self, text):
        text = text.replace("$name", "vdb1").replace("%n", "1")
        return re.sub(r"\$env\{([^}]*)\}", lambda found: self.env.get(found.group(1), ""), text)

    def holds(self, key, attribute, operator, value):
        """Whether a rule goes on after this token; assignments do."""
        if key == "TEST":
            return (self.expand(value) in self.paths) == (operator == "==")
        if key == "IMPORT":
            assert attribute == "db"
            if value in self.db:
                self.env[value] = self.db[value]
        elif operator in ("==", "!="):
            known = self.env.get(attribute, "") if key == "ENV" else self.facts[key]
            return matches(known, value) == (operator == "==")
        elif key == "ENV":
            self.env[attribute] = self.expand(value)
        elif key == "SYMLINK":
            self.links.append(self.expand(value))
        elif key == "TAG":
            self.tags.append(value)
        else:
            assert key in ("GOTO", "LABEL"), key
        return True

    def follow(self):
        lines = [TOKEN.findall(line) for line in RULES.splitlines() if line and not line.startswith("#")]
        labels = {tokens[0][3]: at for at, tokens in enumerate(lines) if tokens[0][0] == "LABEL"}
        at = 0
        while at < len(lines):
            target = None
            for token in lines[at]:
                if not self.holds(*token):
                    target = None
                    break
                if token[0] == "GOTO":
                    target = labels[token[3]]
            assert target is None or target > at
            at = at + 1 if target is None else target

    @property
    def declared(self):
        return "systemd" in self.tags


def later(env, **more):
    """An event after one of the partition as it was declared."""
    return Event(env, db=Event(PARTITION, marks=more.get("marks", (LABEL_PATH,))).env, **more)


def test_every_name():
    """each name by which a device is recognised is the one that is remembered"""
    names = [line for line in RULES.splitlines() if 'GOTO="volumecrypt_declared"' in line]
    assert len(names) > 15
    for line in names:
        mark = re.search(f'TEST=="{MARKS}/([^"]*)"', line).group(1)
        tap.holds(line, f'ENV{{VOLUMECRYPT_NAME}}="{mark}"')


def test_declared():
    """a declared partition is ours, and needs no link of us"""
    event = Event(PARTITION)
    tap.equal((event.declared, event.links, event.env["VOLUMECRYPT_NAME"]), (True, [], LABEL_PATH))


def test_in_flux():
    """a partition that is being enlarged keeps the link by which it is declared, attached or not"""
    for held in (False, True):
        for mark in (LABEL_PATH, UUID_PATH):
            event = later(IN_FLUX, held=held, marks=(mark,))
            tap.equal((event.declared, event.links), (True, [mark]))
    # And at the next such event.
    again = Event(IN_FLUX, db=later(IN_FLUX).env)
    tap.equal((again.declared, again.links), (True, [LABEL_PATH]))


def test_renamed():
    """an attached one keeps its link under another label; one that nobody holds does not"""
    event = later(RENAMED, held=True)
    tap.equal((event.declared, event.links), (True, [LABEL_PATH]))
    event = later(RENAMED)
    tap.equal((event.declared, event.links, event.env["VOLUMECRYPT_NAME"]), (False, [], ""))


def test_not_ours():
    """what was never declared, left the configuration, or goes away gets no link"""
    event = Event(IN_FLUX, held=True)
    tap.equal((event.declared, event.links), (False, []))
    event = Event(IN_FLUX, db=Event(PARTITION).env, marks=("disk/by-partlabel/u-x",), held=True)
    tap.equal((event.declared, event.links), (False, []))
    event = later(PARTITION, action="remove", held=True)
    tap.equal((event.declared, event.links), (False, []))


if __name__ == "__main__":
    tap.run(tap.tests_of(globals()))
