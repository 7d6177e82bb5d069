#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A shell completes every command and option that --help names, volume IDs, slots and jobs (TAP).
usage: test_completion.py VOLUMECRYPTCTL FAKE-SERVICE SCRIPT"""
import pathlib
import re
import sys

from cli_fixture import CliFixture
from shells import shell_of
from support.tap import equal, run, tests_of

SCRIPT = sys.argv[3]


class Completing(CliFixture):
    """With a shell that reads SCRIPT and finds `program` as volumecryptctl."""

    def _start(self):
        super()._start()
        self.shell = shell_of(SCRIPT, self.environment, self.bus.folder / "shell")
        self.shell.__enter__()

    def __exit__(self, *exception):
        self.shell.__exit__()
        super().__exit__(*exception)


def complete(cli, *words):
    """What the shell offers for the last of `words`."""
    link = cli.shell.folder / "volumecryptctl"
    link.unlink(missing_ok=True)
    link.symlink_to(pathlib.Path(cli.program).resolve())
    return cli.shell.complete(words)


def commands(cli):
    """Command names of --help: the groups after Options, up to the footer."""
    text = cli.run("--help").stdout
    body = text[text.index("\nShow:"):text.index("\nWithout a command")]
    return re.findall(r"^  ([a-z-]+) ", body, re.MULTILINE)


def options(cli, *words):
    return set(re.findall(r"^  (?:-h,)?(--[a-z-]+)", cli.run(*words, "--help").stdout, re.MULTILINE))


def test_commands(cli):
    """the commands of --help, all and no other"""
    equal(sorted(complete(cli, "")), sorted(commands(cli)))
    equal(complete(cli, "rem"), ["remove-key"])
    equal(sorted(complete(cli, "--json", "un")), ["unlock"])


def test_options(cli):
    """for each command its own options and the common ones, all and no other"""
    common = options(cli)
    equal(set(complete(cli, "--")), common)
    for command in commands(cli):
        equal((command, set(complete(cli, command, "--"))),
              (command, options(cli, command) | common - {"--version"}))


def test_volumes(cli):
    """volume IDs, once"""
    everything = ["STATE", "u-busy", "u-data", "u-dies", "u-evil", "u-instant"]
    for command in ("status", "plan", "keys", "sync", "add-key", "remove-key", "rotate-key", "unlock", "lock",
                    "grow", "rotate-volume-key", "apply", "format", "wipe", "erase", "forget"):
        equal((command, complete(cli, command, "")), (command, everything))
        equal(complete(cli, command, "--json", "u-d"), ["u-data", "u-dies"])
    for command in ("list", "reload", "jobs", "watch"):
        equal(complete(cli, command, ""), [])
    for command in commands(cli):
        first = re.search(r"Usage: volumecryptctl [a-z-]+ \[OPTIONS\] ?\[?(\w*)", cli.run(command, "--help").stdout).group(1)
        equal((command, complete(cli, command, "") == everything), (command, first == "ID"))
    equal(complete(cli, "lock", "STATE", ""), [])


def test_confirm(cli):
    """--confirm completes to the volume that was named"""
    equal(complete(cli, "wipe", "u-data", "--confirm", ""), ["u-data"])
    equal(complete(cli, "wipe", "u-data", "--confirm", "="), ["u-data"])
    equal(complete(cli, "wipe", "u-data", "--confirm", "=", "u"), ["u-data"])
    equal(complete(cli, "wipe", "--confirm", "=", "u-data", "u-e"), ["u-evil"])
    equal(complete(cli, "wipe", "--confirm", "u-e"), ["u-evil"])


def test_slots(cli):
    """slots that the command can work on"""
    equal(complete(cli, "remove-key", "u-data", ""), ["30"])
    equal(complete(cli, "rotate-key", "u-data", ""), ["2"])
    equal(complete(cli, "rotate-key", "STATE", ""), [])


def test_jobs(cli):
    """numbers of running jobs"""
    equal(complete(cli, "cancel", ""), [])
    cli.run("erase", "u-data", "--confirm=u-data", "--no-wait")
    equal(complete(cli, "cancel", ""), ["1"])
    cli.run("cancel", "1")
    equal(complete(cli, "cancel", ""), [])


def test_files(cli):
    """file names for --secret-file"""
    name = cli.file("secret", b"x")
    equal(complete(cli, "unlock", "u-data", "--secret-file", name[:-2]), [name])
    equal(complete(cli, "add-key", "--secret-file", "=", name[:-2]), [name])
    equal(complete(cli, "check", name[:-2]), [name])
    equal(complete(cli, "check", name, name[:-2]), [name])
    equal(complete(cli, "check", "--root", str(cli.bus.folder)[:-2]), [str(cli.bus.folder)])


def test_address(cli):
    """the bus that is named is the one that is asked"""
    equal(complete(cli, "--address", "unix:path=/nonexistent", "lock", ""), [])
    cli.shell.environment["DBUS_SYSTEM_BUS_ADDRESS"] = "unix:path=/nonexistent"
    equal(complete(cli, "--address", cli.bus.address, "lock", "u-d"), ["u-data", "u-dies"])


def test_help_topics(cli):
    """help is followed by a command"""
    equal(complete(cli, "help", "rotate"), ["rotate-key"])
    equal(complete(cli, "help", "lock", ""), [])


def test_hostile_output(cli):
    """what the service prints is never run"""
    target = pathlib.Path(cli.bus.folder, "ran")
    fake = cli.file("evil", f"#!/bin/sh\nprintf '%s\\n' '$(touch {target})' '`touch {target}`' '*'\n".encode())
    pathlib.Path(fake).chmod(0o755)
    cli.program = fake
    offered = complete(cli, "lock", "")
    assert offered and not target.exists(), offered


def test_no_service(cli):
    """without a service nothing is offered, and nothing printed"""
    cli.service.kill()
    cli.service.wait()
    equal(complete(cli, "lock", ""), [])


if __name__ == "__main__":
    run(tests_of(dict(globals())), lambda: Completing(sys.argv[1], sys.argv[2]))
