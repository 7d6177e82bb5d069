#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A user at a terminal is asked by polkit, there and before anything is typed; one who is refused is told
what for and what to do. The real daemon, polkitd and pkttyagent (TAP).
usage: test_cli_polkit.py VOLUMECRYPTCTL VOLUMECRYPTD FAKE_ENGINE POLICY"""
import pathlib
import re
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
from daemon_place import DaemonPlace  # noqa: E402
from support.person import Person  # noqa: E402
from support.private_bus import wait_for  # noqa: E402
from support.tap import equal, holds, lacks, run, tests_of  # noqa: E402

VOLUMECRYPTCTL, VOLUMECRYPTD, FAKE_ENGINE, POLICY = sys.argv[1:5]
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
# polkitd has its folders compiled in: in a mount namespace of its own, ours are over them.
POLKITD = """mount --make-rprivate /
mount --bind {0}/rules /etc/polkit-1/rules.d
mount --bind {0}/vendor-rules /usr/share/polkit-1/rules.d
mount --bind {0}/actions /usr/share/polkit-1/actions
exec /usr/lib/polkit-1/polkitd --no-debug
"""
CONFIG = """apiVersion: v1alpha1
kind: UserVolumeConfig
name: data
volume: {{device: {}/data.img}}
encryption: {{provider: luks2, keys: [{{slot: 0, nodeID: {{}}}}]}}
"""
RULE = """polkit.addRule(function(action, subject) {{
    if (action.id == "org.example.VolumeCrypt.manage-keys" && action.lookup("volume") == "u-data")
        return polkit.Result.{};
}});
"""


# The action that each needs, and the command line.
TAKES_SECRETS = (
    ("unlock", ["unlock", "u-data", "--passphrase"]),
    ("unlock", ["unlock", "u-data", "--recovery"]),
    ("unlock", ["unlock", "u-data", "--secret-file", "-"]),
    ("manage-keys", ["sync", "u-data", "--secret-file", "-"]),
    ("manage-keys", ["apply", "u-data", "--secret-file", "-"]),
    ("manage-keys", ["add-key", "u-data", "--secret-file", "-"]),
    ("grow", ["grow", "u-data", "--secret-file", "-"]),
    ("reencrypt", ["rotate-volume-key", "u-data", "--secret-file", "-"]))
QUESTIONS = ("Passphrase for", "Recovery key of", "recovery key of")


class Place(DaemonPlace):
    """A context manager: bus, polkitd and the daemon with the volume u-data."""

    def _start(self):
        folder = self.bus.folder
        folder.chmod(0o755)
        for name in ("rules", "vendor-rules", "actions"):
            (folder / name).mkdir()
        shutil.copy(POLICY, folder / "actions")
        self.write({"data.yaml": CONFIG.format(folder)},
                   {"inspect": "result\n", "detach": "result\n", "add-key": "result ',\"slot\":31'\n"})
        self.bus.start(["unshare", "--mount", "sh", "-ec", POLKITD.format(folder)], "polkit.log")
        wait_for(lambda: self.is_there("org.freedesktop.PolicyKit1"), "polkitd is on the bus")
        self.start_daemon(VOLUMECRYPTD, FAKE_ENGINE)
        wait_for(lambda: self.is_there("org.example.VolumeCrypt"), "the daemon is on the bus")

    def is_there(self, name):
        listed = subprocess.run(["busctl", "--system", "list", "--no-legend", "--acquired"], env=self.bus.environment,
                                capture_output=True, text=True, check=True, timeout=30).stdout
        return name in listed

    def rule(self, answer):
        """polkitd reads a new rule soon."""
        (self.bus.folder / "rules" / "10-test.rules").write_text(RULE.format(answer), encoding="utf-8")

    def calls(self):
        log = self.bus.folder / "script" / "calls"
        return log.read_text(encoding="utf-8") if log.exists() else ""

    def user(self, *words):
        return Person([*NOBODY, VOLUMECRYPTCTL, *words], {**self.bus.environment, "TERM": "dumb"})

    def script(self, *words):
        return subprocess.run([*NOBODY, VOLUMECRYPTCTL, *words], env=self.bus.environment, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=60, check=False)


def test_asked_at_the_terminal(place):
    """polkit asks on the terminal, for the action that is needed; the agent is gone afterwards"""
    with place.user("lock", "u-data") as person:
        person.reads("AUTHENTICATING FOR org.example.VolumeCrypt.lock")
        person.types("\x03")
        person.leaves()
    lacks(place.calls(), "detach")
    wait_for(lambda: subprocess.run(["pgrep", "-u", "65534", "pkttyagent"], stdout=subprocess.DEVNULL,
                                    check=False).returncode, "the agent is gone")


def test_rule_of_the_manual(place):
    """the rule that org.example.VolumeCrypt(5) shows lets the users of a group lock its volume, and do nothing else"""
    page = (pathlib.Path(__file__).parents[2] / "man/org.example.VolumeCrypt.5").read_text(encoding="utf-8")
    rule, = re.findall(r"^(polkit\.addRule.*?)^\.Ed", page, re.MULTILINE | re.DOTALL)
    rule = rule.replace('"u-backup"', '"u-data"').replace('isInGroup("backup")', 'isInGroup("nogroup")')
    equal((rule.count('"u-data"'), rule.count('"nogroup"')), (1, 1))
    (place.bus.folder / "rules" / "10-test.rules").write_text(rule, encoding="utf-8")
    wait_for(lambda: place.script("lock", "u-data").returncode == 0, "polkit knows the rule")
    holds(place.calls(), "detach u-data")
    equal(place.script("remove-key", "u-data", "3").returncode, 1)


def test_asked_before_typing(place):
    """add-key has polkit ask before it asks for the passphrase"""
    with place.user("add-key", "u-data") as person:
        person.reads("AUTHENTICATING FOR org.example.VolumeCrypt.manage-keys")
        lacks(person.seen, "New passphrase")
        person.types("\x03")
        person.leaves()


def test_asked_before_any_secret(place):
    """whatever takes a secret from a terminal has polkit ask first; only then it is asked for, or read"""
    for action, words in (*TAKES_SECRETS, ("manage-keys", ["add-key", "u-data", "--recovery"])):
        with place.user(*words) as person:
            person.reads(f"AUTHENTICATING FOR org.example.VolumeCrypt.{action}")
            for question in QUESTIONS:
                lacks(person.seen, question)
            person.types("\x03")
            person.leaves()


def test_refused_before_any_secret(place):
    """who may not is told so before typing a secret, by every command that takes one"""
    for action, words in TAKES_SECRETS:
        with place.user(*words, "--no-ask") as person:
            person.reads(f"not authorised for org.example.VolumeCrypt.{action}")
            equal((words, person.leaves()), (words, 1))
            for question in QUESTIONS:
                lacks(person.seen, question)


def test_rule_says_yes(place):
    """who may by a rule about the volume is asked for the passphrase alone"""
    place.rule("YES")

    def added():
        with place.user("add-key", "u-data") as person:
            person.reads(":")
            if "New passphrase" not in person.seen:
                return False
            person.types("secret\n")
            # What is typed before a prompt is there is thrown away.
            person.reads("(once more): ")
            person.types("secret\n")
            person.reads("u-data: the passphrase is in slot 31\n")
            lacks(person.seen, "AUTHENTICATING")
            return person.leaves() == 0
    wait_for(added, "the rule counts")
    holds(place.calls(), "add-key u-data")


def test_rule_says_no(place):
    """who is refused by a rule hears so before typing, with the action and what to do"""
    place.rule("NO")

    def refused():
        with place.user("add-key", "u-data") as person:
            person.reads("org.example.VolumeCrypt.manage-keys")
            if "AUTHENTICATING" in person.seen:
                return False
            person.reads("polkit's rules refuse it")
            person.reads("hint: Run it as root.")
            person.reads("/etc/polkit-1/rules.d")
            lacks(person.seen, "New passphrase")
            return person.leaves() == 1
    wait_for(refused, "the rule counts")


def test_script(place):
    """without a terminal nobody is asked, and the refusal says what for and what to do"""
    result = place.script("lock", "u-data")
    equal((result.returncode, result.stdout), (1, ""))
    equal(result.stderr, "volumecryptctl: u-data: not authorised for org.example.VolumeCrypt.lock: an administrator has "
                         "to authenticate for it\nhint: Run it as root, or at a terminal, where polkit can ask. To allow "
                         "it without asking, answer org.example.VolumeCrypt.lock in a rule of /etc/polkit-1/rules.d: "
                         "org.example.VolumeCrypt(5) has an example.\n")


def test_reading(place):
    """what needs no authorisation starts no agent"""
    with place.user("list") as person:
        equal(person.leaves(), 0)
        holds(person.plain(), "u-data")


if __name__ == "__main__":
    run(tests_of(dict(globals())), Place)
