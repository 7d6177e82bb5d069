#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""volumecryptctl as a person at a terminal sees it: tables, colours, prompts, progress (TAP).
usage: test_cli_terminal.py VOLUMECRYPTCTL FAKE-SERVICE"""
import sys

from cli_fixture import CliFixture, Person, without_bus
from support.tap import equal, holds, lacks, run, tests_of


def shown(cli, *words, **environment):
    with cli.person(*words, **environment) as person:
        person.leaves()
        return person.seen


def test_table(cli):
    """list is a table with colours"""
    text = shown(cli, "list")
    holds(text, "\x1b[1mVOLUME\x1b[0m")
    holds(text, "\x1b[32munlocked\x1b[0m")
    with cli.person("list") as person:
        equal(person.leaves(), 0)
        lines = person.plain().splitlines()
    equal(lines[0].split(), ["VOLUME", "STATE", "KEYS", "DEVICE", "MOUNT", "POINT", "MOUNTED"])
    column = lines[0].index("STATE")
    for line, state in zip(lines[1:3], ("unlocked", "locked")):
        holds(line[column:], state)
    lacks("\n".join(lines), "\t")


def test_no_colour(cli):
    """NO_COLOR and a dumb terminal leave the table and take the colours"""
    for environment in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        text = shown(cli, "list", **environment)
        lacks(text, "\x1b")
        holds(text, "VOLUME     STATE ")
    holds(shown(cli, "list", NO_COLOR=""), "\x1b[1m")


def test_plan(cli):
    """plan is a diff with reasons"""
    text = shown(cli, "plan", "u-data", NO_COLOR="1")
    holds(text, "u-data: 1 step\n")
    holds(text, "~  replace  1     static  the passphrase changed")


def test_status(cli):
    """status is a block a volume with its slots"""
    text = shown(cli, "status", "u-data", NO_COLOR="1")
    holds(text, "u-data (user volume)\n  State:       locked, degraded\n")
    holds(text, "  SLOT  KIND")


def test_unlock_asks(cli):
    """unlock asks when no declared key fits, without echo, until one fits"""
    with cli.person("unlock", "u-data") as person:
        person.reads("no declared key opens it\n")
        person.reads("Passphrase for u-data: ")
        assert not person.echoes()
        person.types("wrong\n")
        person.reads("It does not fit.\nPassphrase for u-data: ")
        person.types("bright\x15righz\x7ft\n")
        person.reads("u-data: unlocked as /dev/mapper/luks2-u-data\n")
        assert person.echoes()
        equal(person.leaves(), 0)
        lacks(person.seen, "right")
        lacks(person.seen, "wrong")
    equal(cli.calls(), ["unlock u-data ask", "unlock u-data ask [wrong]", "unlock u-data ask [right]"])


def test_unlock_asks_instead_of_the_tpm(cli):
    """unlock asks as well when the TPM or the KMS is why no declared key can be had"""
    with cli.person("unlock", "u-instant") as person:
        person.reads("Passphrase for u-instant: ")
        person.types("right\n")
        person.reads("u-instant: unlocked")
        equal(person.leaves(), 0)


def test_unlock_without_bus(cli):
    """without a bus unlock asks in the same way, and says how the boot goes on"""
    environment, engine = without_bus(cli)
    with Person([cli.program, "unlock", "u-data", "--engine", engine], environment) as person:
        person.reads("no declared key opens it\n")
        person.reads("Passphrase for u-data: ")
        person.types("wrong\n")
        person.reads("It does not fit.\nPassphrase for u-data: ")
        person.types("right\n")
        person.reads("u-data: unlocked as /dev/mapper/luks2-u-data. Without a bus nothing was mounted: "
                     "`systemctl default` goes on with the boot.\n")
        equal(person.leaves(), 0)
        lacks(person.seen, "right")


def test_three_attempts(cli):
    """after three passphrases that do not fit it gives up"""
    with cli.person("unlock", "u-data", "--passphrase", "--no-ask") as person:
        for _ in range(3):
            person.reads("Passphrase for u-data: ")
            person.types("wrong\n")
        equal(person.leaves(), 1)
    equal(cli.calls(), ["authorize u-data unlock no-ask"] + ["unlock u-data no-ask [wrong]"] * 3)


def test_interrupted_prompt(cli):
    """^C, ^D and a signal at the prompt give the echo back"""
    for typed in ("half\x03", "\x04", None):
        with cli.person("unlock", "u-data", "--passphrase") as person:
            person.reads("Passphrase for u-data: ")
            if typed is None:
                person.interrupts()
            else:
                person.types(typed)
            person.reads("volumecryptctl: u-data: ")
            person.reads("cancelled")
            assert person.echoes()
            equal(person.leaves(), 1)
    equal(cli.calls(), ["authorize u-data unlock ask"] * 3)


def test_new_key_twice(cli):
    """add-key asks twice, and again when the two differ"""
    with cli.person("add-key", "u-data") as person:
        for first, second in (("one", "two"), ("new \u00e9\u00e8\x7f\u00e9", "new \u00e9\u00e9")):
            person.reads("New passphrase for u-data: ")
            person.types(first + "\n")
            person.reads("New passphrase for u-data (once more): ")
            person.types(second + "\n")
            if first == "one":
                person.reads("The two differ.\n")
        person.reads("u-data: the passphrase is in slot 31\n")
        equal(person.leaves(), 0)
    equal(cli.calls(), ["authorize u-data add-key ask", "add-key u-data passphrase [new \u00e9\u00e9]"])


def test_add_key_by_a_passphrase(cli):
    """add-key asks for a passphrase that opens the volume where no declared key does, and needs the new one once"""
    with cli.person("add-key", "u-instant") as person:
        for _ in range(2):
            person.reads("New passphrase for u-instant")
            person.types("new one\n")
        person.reads("u-instant: no declared key opens it\nA passphrase that opens u-instant now: ")
        assert not person.echoes()
        person.types("typo\n")
        person.reads("It does not fit.\nA passphrase that opens u-instant now: ")
        person.types("old one\n")
        person.reads("u-instant: the passphrase is in slot 31\n")
        equal(person.leaves(), 0)
        lacks(person.seen, "old one")
    equal(cli.calls(), ["authorize u-instant add-key ask", "add-key u-instant passphrase [new one]",
                        "add-key u-instant passphrase [new one] unlock=[typo]",
                        "add-key u-instant passphrase [new one] unlock=[old one]"])


RECOVERY = "cbdefghi-jklnrtuv-vutrnlkj-ihgfedbc-cbdefghi-jklnrtuv-vutrnlkj-ihgfedbc"


def test_recovery_key(cli):
    """add-key --recovery shows a key and its QR code, and adds it once it was typed back"""
    with cli.person("add-key", "u-data", "--recovery", LC_ALL="C.UTF-8") as person:
        person.reads(f"The new recovery key of u-data:\n\n    {RECOVERY}\n")
        person.reads("\u2588")
        person.reads("Type the recovery key: ")
        assert not person.echoes()
        person.types("something else\n")
        person.reads("That is not the key above.\nType the recovery key: ")
        person.types(RECOVERY + "\n")
        person.reads("u-data: the recovery key is in slot 31\n")
        equal(person.leaves(), 0)
    equal(cli.calls(), ["new-recovery-key u-data", "add-key u-data recovery [something else]",
                        f"add-key u-data recovery [{RECOVERY}]"])


def test_recovery_key_by_a_passphrase(cli):
    """add-key --recovery asks for a passphrase that opens the volume too, after the key was typed back"""
    with cli.person("add-key", "u-instant", "--recovery") as person:
        for attempt in ("something else", RECOVERY):
            person.reads("Type the recovery key: ")
            person.types(attempt + "\n")
        person.reads("A passphrase that opens u-instant now: ")
        person.types("old one\n")
        person.reads("u-instant: the recovery key is in slot 31\n")
        equal(person.leaves(), 0)
    equal(cli.calls()[-1], f"add-key u-instant recovery [{RECOVERY}] unlock=[old one]")


def test_recovery_key_without_a_terminal(cli):
    """add-key --recovery without a terminal is a usage error, and no key is made"""
    outcome = cli.run("add-key", "u-data", "--recovery")
    equal(outcome.returncode, 64)
    equal(cli.calls(), [])


def test_unlock_by_recovery_key(cli):
    """unlock --recovery takes the key however it is typed, and says what is wrong with one"""
    with cli.person("unlock", "u-data", "--recovery", "--no-ask") as person:
        person.reads("Recovery key of u-data: ")
        person.types(RECOVERY[:-1] + "\n")
        person.reads("it is too short")
        person.reads("Recovery key of u-data: ")
        person.types(RECOVERY.upper().replace("-", " ") + "\n")
        person.reads("It does not fit.\nRecovery key of u-data: ")
        person.types("\x03")
        equal(person.leaves(), 1)
    equal(cli.calls(), ["authorize u-data unlock no-ask", f"unlock u-data no-ask [{RECOVERY}]"])


def test_long_passphrase(cli):
    """a passphrase longer than the terminal's own line buffer arrives whole, one too long is refused"""
    with cli.person("unlock", "u-data", "--passphrase") as person:
        person.reads("Passphrase for u-data: ")
        person.types("x" * 6000 + "\n")
        person.reads("It does not fit.\nPassphrase for u-data: ")
        person.types("y" * 8193 + "\n")
        person.reads("longer than 8192 bytes")
        equal(person.leaves(), 1)
    equal(cli.calls(), ["authorize u-data unlock ask", "unlock u-data ask [" + "x" * 6000 + "]"])


def test_typed_confirmation(cli):
    """wipe says what is lost and goes on only when the ID is typed"""
    with cli.person("wipe", "u-data") as person:
        person.reads("This makes /dev/vda3 blank: what is on it is lost.\nType u-data to go on: ")
        assert person.echoes()
        person.types("yes\n")
        person.reads("not confirmed, nothing was done")
        equal(person.leaves(), 1)
    equal(cli.calls(), [])
    with cli.person("wipe", "u-data") as person:
        person.reads("Type u-data to go on: ")
        person.types("u-data\n")
        equal(person.leaves(), 0)
        holds(person.seen, "\rwipe u-data: ")
        holds(person.seen, " of 1.0 GiB, 256.0 MiB/s")
        holds(person.seen, "u-data: all of it was done\n")
    equal(cli.calls(), ["wipe u-data ask confirm=u-data"])


def test_json_never_asks(cli):
    """with --json nobody is asked, even at a terminal"""
    with cli.person("unlock", "u-data", "--json") as person:
        equal(person.leaves(), 1)
        lacks(person.seen, "Passphrase")
    with cli.person("wipe", "u-data", "--json") as person:
        equal(person.leaves(), 64)


if __name__ == "__main__":
    run(tests_of(dict(globals())), lambda: CliFixture(sys.argv[1], sys.argv[2]))
