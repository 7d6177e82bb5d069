#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""volumecryptctl as a script runs it: output, exit codes, secrets (TAP).
usage: test_cli_script.py VOLUMECRYPTCTL FAKE-SERVICE"""
import json
import subprocess
import sys

from cli_fixture import CliFixture, without_bus
from support.tap import equal, holds, lacks, run, tests_of


def test_list(cli):
    """list is one tab-separated line a volume, without a header or colours"""
    result = cli.run()
    equal(result.returncode, 0)
    equal(result.stderr, "")
    lines = result.stdout.splitlines()
    equal(lines[:3], ["STATE\tunlocked\tok\t/dev/vda2\t/system/state\tyes",
                      "u-busy\tlocked\tnot tested\t/dev/vda9\t-\t-",
                      "u-data\tlocked\tdegraded\t/dev/vda3\t/var/mnt/data\tfailed"])
    equal(len(lines), 6)
    lacks(result.stdout, "\x1b")


def test_hostile_names(cli):
    """what others wrote cannot steer the terminal, and JSON keeps it"""
    for command in (["list"], ["status", "u-evil"]):
        shown = cli.run(*command).stdout
        holds(shown, "/dev/\\x1b[2J\\x0ax")
        holds(shown, "/mnt/\\xe2\\x80\\xaex")
        lacks(shown, "\x1b")
    equal(json.loads(cli.run("status", "u-evil", "--json").stdout)["device"], "/dev/\x1b[2J\nx")


def test_status(cli):
    """status without a volume tells what is wrong with the configuration"""
    result = cli.run("status")
    equal(result.returncode, 1)
    shown = result.stdout
    holds(shown, "ConfigWarning=/etc/volumecrypt/b.yml: is not read: the name\n")
    holds(shown, "Version=9.9\nTpmPresent=yes\nConfigError=/etc/volumecrypt/a.yaml:3:7: slot 32 is out of range\n")
    holds(shown, "KeySlot=1 static managed stale\n")
    holds(shown, "FailedSync=1 the KMS does not answer\n")
    document = json.loads(cli.run("--json", "status").stdout)
    equal(document["configErrors"][0]["line"], 3)
    equal(document["configWarnings"][0]["file"], "/etc/volumecrypt/b.yml")
    equal(cli.run("--json", "status").returncode, 1)
    equal(cli.run("status", "STATE").returncode, 0)
    equal([v["volume"] for v in document["volumes"]][:2], ["STATE", "u-busy"])


def test_reload(cli):
    """reload tells the errors and what is not read, and ends with 1"""
    result = cli.run("reload")
    equal((result.returncode, result.stdout), (1, ""))
    equal(result.stderr.splitlines()[:3],
          ["/etc/volumecrypt/a.yaml:3:7: error: slot 32 is out of range",
           "/etc/volumecrypt/b.yml: warning: is not read: the name",
           "volumecryptctl: the configuration was read, with 1 error"])
    result = cli.run("reload", "--json")
    equal(result.returncode, 1)
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    equal([(line["type"], line.get("level")) for line in lines],
          [("problem", "error"), ("problem", "warning"), ("error", None)])
    equal((lines[0]["line"], lines[2]["code"]), (3, "InvalidConfig"))


def test_help(cli):
    """help COMMAND is COMMAND --help"""
    equal(cli.run("help", "add-key").stdout, cli.run("add-key", "--help").stdout)
    equal(cli.run("help").stdout, cli.run("--help").stdout)
    result = cli.run("help", "open")
    equal((result.returncode, result.stderr), (64, "volumecryptctl: there is no command open\n"
                                                   "hint: `volumecryptctl --help` lists them.\n"))


def test_keys(cli):
    """keys lists slot, kind, owner, health and lock"""
    equal(cli.run("keys", "u-data").stdout.splitlines()[:2],
          ["0\tnodeID\tmanaged\tok\tSTATE", "1\tstatic\tmanaged\tstale\t-"])
    equal(json.loads(cli.run("keys", "STATE", "--json").stdout)[1]["managed"], False)


def test_plan(cli):
    """plan ends with 2 when there are steps, 0 when all is as declared"""
    result = cli.run("plan")
    equal(result.returncode, 2)
    holds(result.stdout, "u-data\treplace\t1\tstatic\tthe passphrase changed\n"
                         "u-data\twarn\t-\tvolume\tthe TPM alone opens it\n"
                         "u-data\tnote\t-\tvolume\t16 MiB are not used\n")
    equal(cli.run("plan", "STATE").returncode, 0)
    equal(json.loads(cli.run("plan", "u-data", "--json").stdout)[0]["steps"][1]["action"], "replace")


def test_unlock_fails(cli):
    """an error is `volumecryptctl: VOLUME: message` and a hint, code 1"""
    result = cli.run("unlock", "u-data")
    equal((result.returncode, result.stdout), (1, ""))
    equal(result.stderr, "volumecryptctl: u-data: no declared key opens it\nhint: give a passphrase\n")
    equal(cli.calls(), ["unlock u-data no-ask"])


def test_error_json(cli):
    """with --json the error is also an object on standard output"""
    result = cli.run("unlock", "u-data", "--json")
    equal(json.loads(result.stdout), {
        "type": "error", "verb": "unlock", "volume": "u-data", "code": "NoUsableKey",
        "message": "u-data: no declared key opens it", "hint": "give a passphrase", "retry": False, "slot": None})


def test_unlock_with_secret(cli):
    """a secret travels byte for byte, from standard input or a file"""
    equal(cli.run("unlock", "u-data", "--secret-file", "-", secret=b"right\n").returncode, 1)
    equal(cli.run("unlock", "u-data", "--secret-file", cli.file("k", b"right\0")).returncode, 1)
    result = cli.run("unlock", "u-data", "--secret-file=-", secret=b"right")
    equal((result.returncode, result.stdout), (0, "/dev/mapper/luks2-u-data\n"))
    equal(cli.calls()[-1], "unlock u-data no-ask [right]")


def test_bad_secrets(cli):
    """a secret that is too long, empty, a folder or not there is refused before anything is asked"""
    for name, content in (("long", b"x" * 8193), ("empty", b"")):
        result = cli.run("add-key", "u-data", "--secret-file", cli.file(name, content))
        equal(result.returncode, 1)
        holds(result.stderr, name)
    for path in ("/", "/nonexistent"):
        result = cli.run("add-key", "u-data", "--secret-file", path)
        equal(result.returncode, 1)
        holds(result.stderr, path)
    equal(cli.calls(), [])
    equal(cli.run("add-key", "u-data", "--secret-file", cli.file("most", b"x" * 8192)).returncode, 0)


def test_add_key_by_a_file(cli):
    """add-key takes a passphrase that opens the volume from --unlock-file, only where no declared key does"""
    opening = cli.file("opening", b"old one")
    result = cli.run("add-key", "u-data", "--secret-file", "-", "--unlock-file", opening, secret=b"new")
    equal((result.returncode, cli.calls()), (0, ["add-key u-data passphrase [new]"]))
    result = cli.run("add-key", "u-instant", "--secret-file", "-", "--unlock-file", opening, secret=b"new")
    equal((result.returncode, result.stdout), (0, "31\n"))
    equal(cli.calls()[-1], "add-key u-instant passphrase [new] unlock=[old one]")
    result = cli.run("add-key", "u-instant", "--secret-file", "-", secret=b"new")
    equal(result.returncode, 1)
    holds(result.stderr, "hint: Give a passphrase that opens it with --unlock-file FILE.\nhint: give one\n")
    result = cli.run("add-key", "u-instant", "--secret-file", "-", "--unlock-file", "-", secret=b"new")
    equal(result.returncode, 64)


def test_no_terminal(cli):
    """without a terminal nobody is asked: add-key and unlock --passphrase say what to do"""
    for words in (["add-key", "u-data"], ["unlock", "u-data", "--passphrase"]):
        result = cli.run(*words)
        equal(result.returncode, 1)
        holds(result.stderr, "--secret-file")
    equal(cli.calls(), [])


def test_add_and_remove_key(cli):
    """add-key prints the slot, remove-key nothing"""
    result = cli.run("add-key", "u-data", "--secret-file", "-", secret=b"new one")
    equal((result.returncode, result.stdout), (0, "31\n"))
    equal(cli.run("remove-key", "u-data", "31").stdout, "")
    result = cli.run("remove-key", "u-data", "0")
    equal(result.returncode, 1)
    holds(result.stderr, "slot 0 holds the last key")
    equal(cli.calls(), ["add-key u-data passphrase [new one]", "remove-key u-data 31", "remove-key u-data 0"])


def test_busy(cli):
    """what is worth retrying ends with 75"""
    result = cli.run("lock", "u-busy")
    equal(result.returncode, 75)
    equal(result.stderr, "volumecryptctl: u-busy: in use by 2 mounts\nhint: unmount them\n")


def test_authorisation(cli):
    """polkit may ask only when told so, or at a terminal"""
    cli.run("lock", "STATE")
    cli.run("lock", "STATE", "--ask")
    equal(cli.calls(), ["lock STATE no-ask", "lock STATE ask"])
    result = cli.run("lock", "u-evil")
    equal(result.returncode, 1)
    holds(result.stderr, "not authorised: nobody said yes\nhint: ")


def test_unknown_volume(cli):
    """a volume that is not declared is an error, also for a dangerous command"""
    for words in (["status"], ["lock"], ["plan"], ["keys"], ["wipe", "--confirm=u-no"]):
        result = cli.run(words[0], "u-no", *words[1:])
        equal(result.returncode, 1)
        holds(result.stderr, "volumecryptctl: u-no: no volume u-no is declared\nhint: see `volumecryptctl list`\n")


def test_confirmation(cli):
    """what destroys data is confirmed by the ID, else it is a usage error and nothing is asked for"""
    for command in ("wipe", "erase", "format", "forget"):
        equal(cli.run(command, "u-data").returncode, 64)
        equal(cli.run(command, "u-data", "--confirm=STATE").returncode, 64)
        equal(cli.calls(), [])
    for command in ("wipe", "erase", "forget"):
        equal(cli.run(command, "u-data", "--confirm=u-data", "--no-wait").returncode, 0)
    cli.run("format", "u-data", "--confirm", "u-data", "--force", "--no-wait")
    equal(cli.calls(), [f"{verb} u-data no-ask confirm=u-data" for verb in ("wipe", "erase", "forget")] +
          ["format u-data no-ask confirm=u-data force=true"])


def test_sync_all(cli):
    """sync without a volume syncs the unlocked ones"""
    equal(cli.run("sync", "--verify").returncode, 0)
    equal(cli.calls(), ["sync STATE no-ask verify=true"])
    equal(cli.run("lock", "STATE").returncode, 0)
    result = cli.run("sync", "--json")
    equal((result.returncode, json.loads(result.stdout)), (0, {"type": "result", "verb": "sync"}))


def test_sync_with_secret(cli):
    """sync hands a passphrase on for the volume that is named"""
    equal(cli.run("sync", "u-data", "--secret-file", "-", "--no-wait", secret=b"old one").returncode, 0)
    equal(cli.calls(), ["sync u-data no-ask secret=[old one]"])
    result = cli.run("sync", "--secret-file", "-", secret=b"old one")
    equal((result.returncode, result.stdout), (64, ""))


def test_sync_adopt(cli):
    """--adopt is handed on for the volume that is named, and for no other"""
    equal(cli.run("sync", "--adopt", "u-data", "--no-wait").returncode, 0)
    equal(cli.calls(), ["sync u-data no-ask adopt=true"])
    result = cli.run("sync", "--adopt")
    equal((result.returncode, result.stdout), (64, ""))
    holds(result.stderr, "volumecryptctl sync --adopt ID")


def test_unlock_without_bus(cli):
    """without a bus unlock runs the engine, with the same codes, and the secret goes to its standard input"""
    environment, engine = without_bus(cli)
    words = ["unlock", "u-data", "--engine", engine]
    result = cli.run(*words, environment=environment)
    equal((result.returncode, result.stdout), (1, ""))
    equal(result.stderr, "volumecryptctl: u-data: no declared key opens it\nhint: give one\n")
    result = cli.run(*words, "--secret-file", "-", secret=b"right", environment=environment)
    equal((result.returncode, result.stdout, result.stderr), (0, "/dev/mapper/luks2-u-data\n", ""))
    equal(cli.bus.log("engine.log"), ["attach u-data --output json", "attach u-data --output json --secret-fd 0"])
    # A bus that was named must be there, and other commands need one.
    equal(cli.run(*words, "--address", "unix:path=/nonexistent").returncode, 1)
    equal(cli.run("lock", "u-data", environment=environment).returncode, 1)
    equal(cli.calls(), [])


def as_nobody(cli, *words, environment=None):
    return subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", cli.program, *words],
                          env=environment or cli.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=60, check=False)


def test_for_root(cli):
    """a user is told what is for root, and why"""
    for command in ("tpm", "meta"):
        result = as_nobody(cli, command)
        equal((command, result.returncode, result.stdout), (command, 1, ""))
        holds(result.stderr, "hint: Run the command as root, with sudo for instance.")
    result = as_nobody(cli, "unlock", "u-data", environment=without_bus(cli)[0])
    equal(result.returncode, 1)
    holds(result.stderr, "cannot reach the bus")
    holds(result.stderr, "still works for root")


def test_service_dies(cli):
    """a service that dies while it answers is worth retrying"""
    result = cli.run("unlock", "u-dies")
    equal(result.returncode, 75)
    holds(result.stderr, "went away without an answer")
    result = cli.run("list")
    equal(result.returncode, 1)
    holds(result.stderr, "the VolumeCrypt service is not on the bus\nhint: ")


def test_no_bus(cli):
    """no bus is an error of one line and a hint"""
    result = cli.run("list", "--address", f"unix:path={cli.bus.folder}/none")
    equal(result.returncode, 1)
    holds(result.stderr, "volumecryptctl: cannot reach the bus: ")


def test_address(cli):
    """--address beats DBUS_SYSTEM_BUS_ADDRESS"""
    elsewhere = {**cli.environment, "DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nonexistent"}
    equal(cli.run("list", environment=elsewhere).returncode, 1)
    equal(cli.run("list", "--address", cli.bus.address, environment=elsewhere).returncode, 0)


def test_full_disk(cli):
    """output that cannot be written is an error"""
    with open("/dev/full", "wb") as full:
        result = cli.run("list", stdout=full)
    equal(result.returncode, 1)
    holds(result.stderr, "cannot write to standard output")


if __name__ == "__main__":
    run(tests_of(dict(globals())), lambda: CliFixture(sys.argv[1], sys.argv[2]))
