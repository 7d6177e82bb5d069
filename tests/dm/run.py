#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the checks of guest.py on real loop devices and dm-crypt, in user-mode Linux on this
machine's own files (which it can only read). Last line: N passed, N failed, N skipped."""
import argparse
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
KERNEL = "linux.uml"
MEMORY_MIB = 768
# The guest mounts file systems of its own there and would not see ours.
HIDDEN = ("/dev", "/proc", "/run", "/sys")
POINTS = re.compile(r"^\d+ points tried, \d+ lost$")
VERDICT = re.compile(r"^(PASS|FAIL|SKIP) (.*)$")
END = "END of the checks"


class Output:
    """Prints verdicts for people or as TAP for meson, and counts them."""

    def __init__(self, tap):
        self._tap = tap
        self.counts = {"PASS": 0, "FAIL": 0, "SKIP": 0}

    def verdict(self, verdict, name):
        self.counts[verdict] += 1
        if not self._tap:
            print(verdict, name, flush=True)
            return
        number = sum(self.counts.values())
        result = "not ok" if verdict == "FAIL" else "ok"
        skip = " # SKIP" if verdict == "SKIP" else ""
        print(f"{result} {number} - {name.replace('#', 'no. ')}{skip}", flush=True)

    def note(self, text):
        print(f"# {text}" if self._tap else f"     {text}", flush=True)

    def finish(self):
        passed, failed, skipped = self.counts.values()
        if self._tap:
            print(f"1..{passed + failed + skipped}")
        print(f"{'# ' if self._tap else ''}{passed} passed, {failed} failed, {skipped} skipped", flush=True)
        return 1 if failed or not passed else 0


def folder_for_init():
    """A temporary directory that the guest sees too, without a space in its name."""
    for base in (tempfile.gettempdir(), "/tmp", "/var/tmp", str(HERE)):
        if " " not in base and not base.startswith(HIDDEN) and os.access(base, os.W_OK):
            return tempfile.mkdtemp(prefix="volumecrypt-dm-", dir=base)
    raise RuntimeError("no directory for the guest's init")


def folder_for_memory():
    """User-mode Linux keeps the guest's memory in a file: memory is the place for it."""
    shm = "/dev/shm"
    if os.access(shm, os.W_OK) and shutil.disk_usage(shm).free > 2 * MEMORY_MIB << 20:
        return shm
    return tempfile.gettempdir()


def boot(folder, build, chosen):
    init = pathlib.Path(folder) / "init"
    command = shlex.join(["/usr/bin/python3", "-B", str(HERE / "guest.py"), str(build), *chosen])
    # The guest has no environment but this.
    long = "VOLUMECRYPT_TEST_LONG=1 " if "VOLUMECRYPT_TEST_LONG" in os.environ else ""
    init.write_text(f"#!/bin/sh\n{long}exec {command}\n", encoding="utf-8")
    init.chmod(0o755)
    return subprocess.Popen(
        [KERNEL, f"mem={MEMORY_MIB}M", "rootfstype=hostfs", "rootflags=/", "ro", f"init={init}",
         "con0=fd:0,fd:1", "con=null", "quiet", "loglevel=1"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env={**os.environ, "TMPDIR": folder_for_memory()}, start_new_session=True, text=True,
        errors="replace")


def relay(kernel, output, times):
    """Verdicts as they come. Whether the guest came to its end, and what else was on its console."""
    other, ended, noting = [], False, False
    for line in kernel.stdout:
        line = line.rstrip("\r\n")
        match = VERDICT.match(line)
        if match:
            output.verdict(*match.groups())
            noting = match.group(1) == "FAIL"
        elif line == END:
            ended = True
        elif POINTS.match(line) or line.startswith("BENCH "):
            output.note(line)
        elif noting and line.startswith("  "):
            output.note(line.strip())
        elif line.startswith("TIME "):
            if times:
                output.note(line)
        else:
            other.append(line)
    return ended, other


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build", type=pathlib.Path, help="the meson build directory")
    parser.add_argument("checks", nargs="+", help="groups: block engine trouble plain pin state grow encrypt udev crash bench")
    parser.add_argument("--tap", action="store_true", help="for meson")
    parser.add_argument("--times", action="store_true", help="show how long each check took")
    parser.add_argument("--timeout", type=int, default=270, help="seconds (default: 270)")
    arguments = parser.parse_args()
    if shutil.which(KERNEL) is None:
        sys.exit(f"{KERNEL} is not there: install the package user-mode-linux")
    output = Output(arguments.tap)
    folder = folder_for_init()
    kernel = boot(folder, arguments.build.resolve(), arguments.checks)

    def stop(*_):
        try:
            os.killpg(kernel.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    signal.signal(signal.SIGALRM, stop)
    signal.signal(signal.SIGTERM, stop)
    signal.alarm(arguments.timeout)
    try:
        ended, other = relay(kernel, output, arguments.times)
        kernel.wait()
    finally:
        signal.alarm(0)
        stop()
        shutil.rmtree(folder, ignore_errors=True)
    if not ended:
        output.verdict("FAIL", "the guest runs to its end")
        for line in other[-40:]:
            output.note(line)
    return output.finish()


if __name__ == "__main__":
    sys.exit(main())
