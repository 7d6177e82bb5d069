#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the man pages show is what happens: the Python example against the real daemon, and the dialogues of
volumecryptctl(1) (TAP). usage: test_man_examples.py SOURCE VOLUMECRYPTCTL VOLUMECRYPTD FAKE_ENGINE FAKE_SERVICE"""
import os
import pathlib
import re
import sys

from cli_fixture import CliFixture, Person
from daemon_place import DaemonPlace
from support.private_bus import wait_for
from support.tap import equal, holds, run, tests_of

SOURCE = pathlib.Path(sys.argv[1])
VOLUMECRYPTCTL, VOLUMECRYPTD, FAKE_ENGINE, FAKE_SERVICE = sys.argv[2:6]
CONFIG = """apiVersion: v1alpha1
kind: UserVolumeConfig
name: data
volume: {{device: {}/data.img}}
encryption: {{provider: luks2, keys: [{{slot: 0, nodeID: {{}}}}]}}
"""
PYTHON = "/usr/bin/python3"  # for which the distribution's python3-dbus is
SLOT_32 = """apiVersion: v1alpha1
kind: UserVolumeConfig
name: data
encryption:
  provider: luks2
  keys:
    - {slot: 32, nodeID: {}}
"""
# Unlocked by the passphrase "right", which is on standard input.
ATTACH = """case "$*" in *"--secret-fd 0"*) [ "$(cat)" = right ] || error KeyRejected "it opens nothing" ;; esac
touch "$SCRIPTS/open"
result
"""
INSPECT = """state=locked
[ ! -e "$SCRIPTS/open" ] || state=unlocked
printf '{"type":"result","verb":"inspect","volume":"%s","state":"%s","changed":false}\\n' "$volume" "$state"
"""


def examples(page):
    """The literal blocks of a man page, as they are shown."""
    text = (SOURCE / "man" / page).read_text(encoding="utf-8")
    return [block.replace("\\e", "\\") for block in
            re.findall(r"^\.Bd -literal.*?\n(.*?)^\.Ed", text, re.MULTILINE | re.DOTALL)]


def example(page, word):
    found = [block for block in examples(page) if word in block]
    equal(len(found), 1)
    return found[0]


class Place(DaemonPlace):
    """A context manager: a bus with the daemon on it; `cli()` is one with the fake service."""

    def _start(self):
        folder = self.bus.folder
        self.write({"data.yaml": CONFIG.format(folder)}, {"inspect": INSPECT, "attach": ATTACH})
        self.start_daemon(VOLUMECRYPTD, FAKE_ENGINE)
        wait_for(lambda: (folder / "script" / "calls").exists(), "the daemon looks at its volume")

    def python(self, script):
        file = self.bus.folder / "example.py"
        file.write_text(script, encoding="utf-8")
        return Person([PYTHON, str(file)], {**self.bus.environment, "TERM": "dumb"})


def test_python(place):
    """org.example.VolumeCrypt(5): the Python example unlocks a volume with the passphrase that is typed"""
    script = example("org.example.VolumeCrypt.5", "memfd_create")
    with place.python(script) as person:
        person.reads("Password:")
        person.types("right\n")
        person.reads("/dev/mapper/luks2-u-data\n")
        equal(person.leaves(), 0)
    holds((place.bus.folder / "script" / "calls").read_text(encoding="utf-8"), "attach u-data")
    with place.python(script) as person:
        person.reads("Password:")
        person.types("wrong\n")
        person.reads("org.example.VolumeCrypt.Error.KeyRejected")
        equal(person.leaves(), 1)


def test_add_key(place):
    """volumecryptctl(1): add-key prints what the example shows"""
    words = example("volumecryptctl.1", "# volumecryptctl add-key").splitlines()
    equal(words[0], "# volumecryptctl add-key u-data")
    with CliFixture(VOLUMECRYPTCTL, FAKE_SERVICE) as cli, cli.person(*words[0].split()[2:]) as person:
        for line in words[1:3]:
            person.reads(line)
            person.types("secret\n")
        person.reads(words[3] + "\n")
        equal(person.leaves(), 0)
    slot = words[3].split()[-1]
    equal(words[4], f"# volumecryptctl remove-key u-data {slot}")


def test_check(place):
    """volumecryptctl(1): check prints what the example shows"""
    words = example("volumecryptctl.1", "$ volumecryptctl check").splitlines()
    name = words[0].split()[-1]
    (place.bus.folder / name).write_text(SLOT_32, encoding="utf-8")
    program = os.path.abspath(VOLUMECRYPTCTL)
    with Person(["sh", "-c", 'cd "$1" && exec "$2" check "$3"', "sh", str(place.bus.folder), program, name],
                {**place.bus.environment, "TERM": "dumb"}) as person:
        equal(person.leaves(), 1)
        equal(person.plain().splitlines(), words[1:])


def test_configuration(place):
    """the example configuration that is installed has no error and no warning"""
    with CliFixture(VOLUMECRYPTCTL, FAKE_SERVICE) as cli:
        result = cli.run("check", str(SOURCE / "examples" / "volumes.yaml"))
        equal((result.returncode, result.stdout, result.stderr), (0, "", ""))
        result = cli.run("check", "--config-dir", str(SOURCE / "examples"))
        equal((result.returncode, result.stdout), (0, ""))


if __name__ == "__main__":
    run(tests_of(dict(globals())), Place)
