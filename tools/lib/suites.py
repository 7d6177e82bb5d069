#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Builds what the suites need, runs them and counts their test cases (the body of tools/test)."""
import argparse
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from results import Counts, Report, added, count_results, points_line  # pylint: disable=wrong-import-position
from trees import PLAIN, ROOT, SANITIZED  # pylint: disable=wrong-import-position
from turns import turn  # pylint: disable=wrong-import-position

# In this order; a suite of the build that is not named here runs before boot.
ORDER = ["quick", "unit", "contract", "bus", "fuzz", "plain", "sanitize", "crash", "dm", "matrix", "boot"]
# Of the tests that run by turns, each belongs to one of so many.
TURNS = 3
# Without names: each of these runs or the run fails. A tree without them is broken, not small.
EXPECTED = {"plain", "sanitize", "crash", "dm", "matrix", "boot"}
# Once under the sanitizers is enough, with `plain` for what only the real build can show; --long runs them on both.
SANITIZED_SUITES = ["unit", "contract", "bus", "fuzz"]
QUICK_SUITES = ["unit", "fuzz", "quick"]
# Suites that are a command of the tree, where it is there.
COMMANDS = {"matrix": ["tools/matrix", "--one-by-turn"]}
# Seconds on two quiet processors without KVM, from nothing: what a run may cost, and with --long.
BUDGETS = {
    # The image is made beside the build: here is what is left of it then.
    "configuration": (30, 30), "build": (360, 700), "image": (120, 120), "sanitize build": (450, 450),
    "quick": (240, 240), "unit": (30, 30), "contract": (200, 200), "bus": (90, 90), "fuzz": (10, 10),
    "plain": (130, 130), "sanitize": (600, 600), "crash": (450, 1500), "dm": (180, 180), "matrix": (240, 1800),
    "boot": (1100, 2500),
}
HELP = """\
Without names the suites plain, sanitize, crash, dm, matrix and boot run: unit, contract, bus and fuzz only under the
sanitizers (sanitize), with those of their tests on the real programs that show something else there (plain).
  tools/test unit bus     these on the real programs
  tools/test quick        unit, fuzz, a part of contract and bus, one interrupted change; within 5 minutes, no machines
  tools/test crash --long each interrupted write once more by a real kill
  tools/test --long       everything, on both builds
At the end each step says what it took and of how many seconds (two quiet processors without KVM); `OVER BUDGET` is no
failure. Last line: the counts. Exit status 1 when something failed or could not run.
Budgets in seconds, and of the long form: """


def in_turn(test, long):
    """Whether a test runs now: see tests/boot/meson.build."""
    groups = {suite.rpartition(":")[2] for suite in test["suite"]}
    turns = {group for group in groups if group.startswith("turn-")}
    return long or ("by-hand" not in groups and (not turns or f"turn-{turn(TURNS)}" in turns))


def run_suite(tree, suite, more_env, long):
    base = f"testlog-{suite}"
    tests = tree.suites()[suite]
    # What an earlier run left must not be taken for this run's.
    for test in tests:
        (tree.folder / f"{test['name']}.xml").unlink(missing_ok=True)
    for old in (tree.folder / "meson-logs").glob(f"{base}.*"):
        old.unlink()
    names = [test["name"] for test in tests if in_turn(test, long)]
    command = ["meson", "test", "-C", tree.folder, "--no-rebuild", "--suite", suite, "--logbase", base,
               "--print-errorlogs", *(names if len(names) < len(tests) else [])]
    result = subprocess.run(command, check=False, env={**os.environ, **tree.env, **more_env})
    try:
        counts = count_results(tree.folder, base)
    except (OSError, ET.ParseError, json.JSONDecodeError) as error:
        print(f"tools/test: suite {suite} left no results: {error}")
        return Counts(failed=1)
    if result.returncode != 0 and not counts["failed"]:
        counts["failed"] += 1
    if points := points_line(tree.folder, base):
        print(points)
    return counts


def run_command(suite):
    """One case: whether it ended well. What it prints is its own matter."""
    done = subprocess.run([ROOT / COMMANDS[suite][0], *COMMANDS[suite][1:]], cwd=ROOT, check=False)
    return Counts(failed=1) if done.returncode else Counts(passed=1)


class Image:
    """What the virtual machines boot: the Debian that is fetched and our packages in it, made while others compile."""

    def __init__(self):
        self._log = tempfile.TemporaryFile()
        # The second waits for what the first fetches, when it has built the packages.
        self._processes = [self._start("base"), self._start("system", PLAIN.folder)]

    def _start(self, *arguments):
        return subprocess.Popen([ROOT / "tests/boot/image.py", *arguments], stdin=subprocess.DEVNULL, stdout=self._log,
                                stderr=subprocess.STDOUT, start_new_session=True)

    def wait(self):
        status = max(abs(process.wait()) for process in self._processes)
        self._log.seek(0)
        print(self._log.read().decode(errors="replace"), end="", flush=True)
        if status != 0:
            raise subprocess.CalledProcessError(status, "tests/boot/image.py")

    def stop(self):
        for process in self._processes:
            if process.poll() is None:
                # With the package builder below it, which takes down what it mounted.
                os.killpg(process.pid, signal.SIGTERM)
                process.wait()


class Run:
    def __init__(self, long):
        self._long, self._image, self._image_made, self.report = long, None, False, Report()
        self._env = {"VOLUMECRYPT_TEST_LONG": "1"} if long else {}

    def step(self, name, work):
        """A broken step is a failure of its own; the others run."""
        try:
            self.report.run(name, BUDGETS.get(name, (None, None))[self._long], work)
        except (subprocess.CalledProcessError, OSError) as error:
            print(f"tools/test: {name} could not run: {error}")
            self.report.steps[-1].counts = Counts(failed=1)
            return False
        return True

    def build(self, names):
        """What the suites of these names need; everything for None."""
        if names is not None and "quick" in names:
            names = [*names, *QUICK_SUITES]
        return self.step("build", lambda: PLAIN.build(names))

    def named(self, tree, suite):
        if suite not in tree.suites():
            print(f"tools/test: there is no suite {suite} in {tree.folder}")
            return Counts(failed=1)
        return run_suite(tree, suite, self._env, self._long)

    def several(self, tree, suites):
        return added(self.named(tree, suite) for suite in suites)

    def suite(self, name):
        if name in COMMANDS and (ROOT / COMMANDS[name][0]).exists():
            self.step(name, lambda: run_command(name))
        elif name == "quick":
            self.step(name, lambda: self.several(PLAIN, QUICK_SUITES))
        elif name == "sanitize":
            if self.step("sanitize build", lambda: SANITIZED.build(SANITIZED_SUITES)):
                self.step(name, lambda: self.several(SANITIZED, SANITIZED_SUITES))
        elif name != "boot" or self._image_made:
            self.step(name, lambda: self.named(PLAIN, name))

    def chosen(self, names):
        """The suites to run, in their order."""
        there = set(PLAIN.suites())
        if not names:
            names = EXPECTED | {one for one in there - set(ORDER) if not one.startswith(("turn-", "by-hand"))}
            if self._long:
                names |= there & set(SANITIZED_SUITES) | {one for one in COMMANDS if (ROOT / COMMANDS[one][0]).exists()}
        return sorted(names, key=lambda n: ORDER.index(n) if n in ORDER else ORDER.index("boot") - 0.5)

    def everything(self, names, build_only):
        if not self.step("configuration", PLAIN.configure):
            return
        chosen = self.chosen(set(names))
        try:
            if "boot" in chosen and not build_only:
                self._image = Image()
            if not self.build(chosen if names or not build_only else None):
                return
            if self._image is not None:
                # Before the suites: some of them measure how long things take.
                self._image_made = self.step("image", self._image.wait)
            if not build_only:
                for name in chosen:
                    self.suite(name)
        finally:
            if self._image is not None:
                self._image.stop()


def budgets():
    return ", ".join(f"{name} {short}" if short == long else f"{name} {short} ({long})"
                     for name, (short, long) in BUDGETS.items())


def main():
    parser = argparse.ArgumentParser(prog="tools/test", description=__doc__, epilog=HELP + budgets(),
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=f"of: {' '.join(ORDER)}")
    parser.add_argument("--long", action="store_true", help="the long form of each suite")
    parser.add_argument("--build-only", action="store_true",
                        help="only build what the suites need besides the programs; without names: everything")
    arguments = parser.parse_args()
    sys.stdout.reconfigure(line_buffering=True)
    run = Run(arguments.long)
    run.everything(arguments.suites, arguments.build_only)
    total = run.report.total()
    print("\n" + "\n".join(run.report.lines()))
    if arguments.build_only:
        return 1 if total["failed"] else 0
    print(total, flush=True)
    return 1 if total["failed"] or not total["passed"] else 0


if __name__ == "__main__":
    sys.exit(main())
