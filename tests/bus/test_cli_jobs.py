#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""volumecryptctl and jobs: started, shown, left, joined and cancelled, against a service on a private bus (TAP).
usage: test_cli_jobs.py VOLUMECRYPTCTL FAKE-SERVICE"""
import json
import pathlib
import re
import signal
import sys
import tempfile

from cli_fixture import CliFixture, wait_for
from support.tap import equal, holds, run, tests_of


def test_backup_header(cli):
    """the backup is a new file for its owner alone, and takes no other's place"""
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "backup"
        result = cli.run("backup-header", "u-data", str(file))
        equal((result.returncode, result.stdout), (0, ""))
        equal((file.read_text(), file.stat().st_mode & 0o777), ("header", 0o600))
        result = cli.run("backup-header", "u-data", str(file))
        equal(result.returncode, 1)
        holds(result.stderr, "exists already")
        link = pathlib.Path(folder) / "link"
        link.symlink_to(pathlib.Path(folder) / "elsewhere")
        equal(cli.run("backup-header", "u-data", str(link)).returncode, 1)
        equal(cli.run("backup-header", "u-no", str(file) + "2").returncode, 1)
        equal(sorted(path.name for path in pathlib.Path(folder).iterdir()), ["backup", "link"])
    equal(cli.calls()[0], "backup-header u-data no-ask")


def test_backup_header_cancelled(cli):
    """what was written of a backup goes with a job that was cancelled, and stays for one that goes on"""
    with tempfile.TemporaryDirectory() as folder:
        for number, name, end in ((1, "cancelled", lambda: cli.run("cancel", "1")),
                                  (2, "interrupted", lambda: waiting.send_signal(signal.SIGINT))):
            file = pathlib.Path(folder) / name
            waiting = cli.start("backup-header", "u-data", str(file), log="wait.log")
            wait_for(lambda job=number: f"{job}\tbackup-header\tu-data" in cli.run("jobs").stdout, "the job runs")
            end()
            equal(waiting.wait(20), 1)
        equal([path.name for path in pathlib.Path(folder).iterdir()], ["interrupted"])


def test_restore_header(cli):
    """the service reads the file; a passphrase and a confirmation go with it"""
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "backup"
        equal(cli.run("restore-header", "u-data", str(file)).returncode, 1)
        file.write_text("header")
        equal(cli.run("restore-header", "u-data", str(file), "--confirm=STATE").returncode, 64)
        equal(cli.run("restore-header", "u-data", str(file)).returncode, 0)
        lines = cli.run("restore-header", "u-data", str(file), "--confirm=u-data", "--secret-file=-", "--json",
                        secret=b"it").stdout.splitlines()
        equal(json.loads(lines[-1])["verb"], "restore-header")
    equal(cli.calls(), ["restore-header [header] u-data no-ask",
                        "restore-header [header] u-data no-ask confirm=u-data secret=[it]"])


def test_job_json(cli):
    """a job's JSON is progress lines and last one result"""
    lines = [json.loads(line) for line in cli.run("sync", "u-data", "--json").stdout.splitlines()]
    assert len(lines) > 1, lines
    equal({line["type"] for line in lines[:-1]}, {"progress"})
    equal(lines[-1], {"type": "result", "verb": "sync", "volume": "u-data", "job": "1", "message": "all of it was done"})


def test_job_quiet(cli):
    """without a terminal a job that went well prints nothing"""
    result = cli.run("rotate-key", "u-data", "3")
    equal((result.returncode, result.stdout, result.stderr), (0, "", ""))


def test_instant_job(cli):
    """a job that ends before its path is known is not waited for in vain"""
    equal(cli.run("wipe", "u-instant", "--confirm=u-instant").returncode, 0)


def test_failing_job(cli):
    """a job's error is the command's; apply takes a volume, and a passphrase for that one"""
    for words in ((), ("u-data",), ("u-data", "--secret-file", "-")):
        result = cli.run("apply", *words, secret=b"it")
        equal(result.returncode, 1)
        holds(result.stderr, ": it went wrong\nhint: do better\n")
    equal(cli.calls(), ["apply", "apply volume=u-data", "apply secret=[it] volume=u-data"])


def test_jobs_and_cancel(cli):
    """jobs lists what runs, cancel ends it, and whoever waits is told"""
    waiting = cli.start("erase", "u-data", "--confirm=u-data", log="wait.log")
    wait_for(lambda: cli.run("jobs").stdout, "the job is listed")
    fields = cli.run("jobs").stdout.rstrip("\n").split("\t")
    equal(fields[:3], ["1", "erase", "u-data"])
    equal(fields[5:7] + fields[8:], ["0", "running", "-"])
    equal(cli.run("cancel", "1").returncode, 0)
    equal(waiting.wait(20), 1)
    equal(cli.bus.log("wait.log"), ["volumecryptctl: u-data: it went wrong", "hint: do better"])
    for number in ("77", "../job/1", ""):
        equal(cli.run("cancel", number).returncode, 1)


def test_interrupted_wait(cli):
    """an interrupt ends the waiting, not the job"""
    waiting = cli.start("wipe", "u-data", "--confirm=u-data", log="wait.log")
    wait_for(lambda: cli.run("jobs").stdout, "the job runs")
    waiting.send_signal(signal.SIGINT)
    equal(waiting.wait(20), 1)
    holds(cli.bus.log("wait.log")[0], "job 1 goes on")
    holds(cli.run("jobs").stdout, "wipe")
    holds(cli.bus.log("wait.log")[1], "`volumecryptctl watch 1`")


def test_join_a_job(cli):
    """watch with a job waits for it, also when it has ended, and ends as it did"""
    equal(cli.run("wipe", "u-data", "--confirm=u-data", "--no-wait").stdout, "1\n")
    equal(cli.run("watch", "1").returncode, 0)
    told = [json.loads(line) for line in cli.run("watch", "1", "--json").stdout.splitlines()]
    equal((told[-1]["type"], told[-1]["job"]), ("result", "1"))
    failing = cli.start("erase", "u-data", "--confirm=u-data", log="wait.log")
    wait_for(lambda: "erase" in cli.run("jobs").stdout, "the second job runs")
    cli.run("cancel", "2")
    equal(failing.wait(20), 1)
    ended = cli.run("watch", "2")
    equal((ended.returncode, ended.stderr), (1, "volumecryptctl: it went wrong\nhint: do better\n"))
    for number in ("77", "../job/1", ""):
        equal(cli.run("watch", number or "''").returncode, 1)


def test_grow_and_rotate_volume_key(cli):
    """grow and rotate-volume-key start their jobs, with a passphrase and a rate where these are given"""
    wanted = []
    for name, more, said in (("grow", [], ""), ("rotate-volume-key", ["--rate", "1048576"], " rate=1048576")):
        equal(cli.run(name, "u-data", "--no-wait").returncode, 0)
        equal(cli.run(name, "u-data", *more, "--secret-file", "-", "--no-wait", secret=b"one").returncode, 0)
        wanted += [f"{name} u-data no-ask", f"{name} u-data no-ask{said} secret=[one]"]
    equal(cli.calls(), wanted)


def test_encrypt(cli):
    """encrypt starts the job, with a rate in bytes; what is no rate is wrong usage"""
    equal(cli.run("encrypt", "u-data", "--no-wait").returncode, 0)
    equal(cli.run("encrypt", "--rate=52428800", "u-data", "--no-wait").returncode, 0)
    equal(cli.run("encrypt", "u-data", "--secret-file", "-", "--no-wait", secret=b"one").returncode, 0)
    equal(cli.calls(), ["encrypt u-data no-ask", "encrypt u-data no-ask rate=52428800",
                        "encrypt u-data no-ask secret=[one]"])
    for rate in ("0", "fast", "5X", "", "-1"):
        equal((rate, cli.run("encrypt", f"--rate={rate}", "u-data").returncode), (rate, 64))


def test_decrypt(cli):
    """decrypt starts the job; without a terminal the secret comes from a file or not at all"""
    equal(cli.run("decrypt", "u-data", "--secret-file", "-", "--no-wait", secret=b"one").returncode, 0)
    equal(cli.run("decrypt", "--rate=52428800", "u-data", "--no-wait").returncode, 0)
    equal(cli.calls(), ["decrypt u-data no-ask secret=[one]", "decrypt u-data no-ask rate=52428800"])
    equal(cli.run("decrypt", "--rate=0", "u-data").returncode, 64)


def test_service_dies_during_a_job(cli):
    """a service that does not come back ends the waiting with an error"""
    result = cli.run("sync", "u-dies")
    equal(result.returncode, 1)
    holds(result.stderr, "not on the bus")


def test_watch(cli):
    """watch prints changes as they happen, until interrupted"""
    watching = cli.start("watch", log="watch.log")
    listing = cli.start("watch", "--json", log="watch.json")

    def unlocked():
        cli.run("lock", "u-data")
        cli.run("unlock", "u-data", "--secret-file", "-", secret=b"right")
        return any("State=unlocked" in line for line in cli.bus.log("watch.log")) and cli.bus.log("watch.json")
    wait_for(unlocked, "the change is seen")
    cli.run("wipe", "u-data", "--confirm=u-data")
    wait_for(lambda: any("\tjob 1\tfinished\t" in line for line in cli.bus.log("watch.log")), "the job's end is seen")
    for process in (watching, listing):
        process.send_signal(signal.SIGINT)
        equal(process.wait(20), 0)
    fields = next(line for line in cli.bus.log("watch.log") if "State=unlocked" in line).split("\t")
    equal(fields[1:3], ["u-data", "changed"])
    holds("\t".join(fields), "State=unlocked (was locked)")
    end = next(line for line in cli.bus.log("watch.log") if "\tfinished\t" in line)
    equal(end.split("\t")[-1], "(wipe of u-data)")
    events = [json.loads(line) for line in cli.bus.log("watch.json")]
    assert any(e.get("volume") == "u-data" and e["values"].get("State") == "unlocked" and
               e["values"]["KeySlots"][1]["kind"] == "static" and e["old"]["State"] == "locked" for e in events), events
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", e["time"]) for e in events), events
    assert any(e["what"] == "finished" and e["operation"] == "wipe of u-data" for e in events), events


if __name__ == "__main__":
    run(tests_of(dict(globals())), lambda: CliFixture(sys.argv[1], sys.argv[2]))
