#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Builds the tree, runs meson test suites and counts their test cases (the body of tools/test)."""
import argparse
import collections
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as ET

ROOT = pathlib.Path(__file__).resolve().parents[2]
# In this order; a suite of the build that is not named here runs before boot.
ORDER = ["unit", "contract", "bus", "fuzz", "crash", "dm", "sanitize", "boot"]
# A tree without these is broken, not small.
EXPECTED = {"unit", "contract", "bus", "crash", "dm", "boot", "sanitize"}
# What the tests of the crash suite end with.
POINTS = re.compile(r"^# (\d+) points tried, (\d+) lost$", re.MULTILINE)
SANITIZED = ["unit", "contract", "bus", "fuzz"]
SANITIZER_ENV = {
    "ASAN_OPTIONS": "detect_stack_use_after_return=1:strict_string_checks=1",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
}


class Counts(collections.Counter):
    """Test cases by verdict: passed, failed, skipped."""

    def __str__(self):
        return f"{self['passed']} passed, {self['failed']} failed, {self['skipped']} skipped"


def build_environment():
    env = dict(os.environ)
    if shutil.which("ccache"):
        env.setdefault("CC", "ccache gcc")
        env.setdefault("CXX", "ccache g++")
    return env


def build(folder, options):
    """Configures (once) and builds `folder`; ends the run when that fails."""
    if not (folder / "build.ninja").exists():
        command = ["meson", "setup", folder, ROOT, "--prefix=/usr", "-Dtests=true", "-Dwerror=true", *options]
        subprocess.run(command, check=True, env=build_environment())
    subprocess.run(["ninja", "-C", folder], check=True)


def suites_of(folder):
    """Suite name -> names of its tests."""
    out = subprocess.run(["meson", "introspect", "--tests", folder], check=True,
                         capture_output=True, text=True).stdout
    suites = collections.defaultdict(list)
    for test in json.loads(out):
        for suite in test["suite"]:
            suites[suite.rpartition(":")[2]].append(test["name"])
    return suites


def case_counts(case_list):
    counts = Counts()
    for case in case_list:
        if case.find("failure") is not None or case.find("error") is not None:
            counts["failed"] += 1
        elif case.find("skipped") is not None or case.get("status") == "notrun":
            counts["skipped"] += 1
        else:
            counts["passed"] += 1
    return counts


def count_results(folder, base):
    """Cases of one `meson test` run. A test whose process failed counts as a failure even when all
    the cases that it reported passed (a crash at exit, a sanitizer's verdict, a plan not kept)."""
    logs = folder / "meson-logs"
    by_test = collections.defaultdict(list)
    for suite in ET.parse(logs / f"{base}.junit.xml").getroot():
        for case in suite.findall("testcase"):
            key = suite.get("name", "")
            # Suites are PROJECT.TEST[.GTEST-SUITE]; single-result tests are cases of PROJECT.
            name = key.split(".")[1] if "." in key else case.get("name")
            by_test[name].append(case)
    total = Counts()
    for line in (logs / f"{base}.json").read_text(encoding="utf-8").splitlines():
        run = json.loads(line)
        counts = case_counts(by_test[run["name"]])
        if run["result"] not in {"OK", "EXPECTEDFAIL"} and not counts["failed"]:
            counts["failed"] += 1
            print(f"tools/test: {run['name']}: {run['result']}, exit {run['returncode']}")
        elif not counts:
            counts["failed"] += 1
            print(f"tools/test: {run['name']}: no test case ran")
        total += counts
    return total


def points_line(folder, base):
    """The sum of what the tests of a run say about interrupted writes; empty when none does."""
    tried = lost = 0
    for line in (folder / "meson-logs" / f"{base}.json").read_text(encoding="utf-8").splitlines():
        for found in POINTS.finditer(json.loads(line).get("stdout", "")):
            tried, lost = tried + int(found.group(1)), lost + int(found.group(2))
    return f"{tried} points tried, {lost} lost" if tried else ""


def run_suite(folder, suite, names, extra_env=None):
    base = f"testlog-{suite}"
    # What an earlier run left must not be taken for this run's.
    for name in names:
        (folder / f"{name}.xml").unlink(missing_ok=True)
    for old in (folder / "meson-logs").glob(f"{base}.*"):
        old.unlink()
    command = ["meson", "test", "-C", folder, "--no-rebuild", "--suite", suite, "--logbase", base,
               "--print-errorlogs"]
    result = subprocess.run(command, check=False, env={**os.environ, **(extra_env or {})})
    try:
        counts = count_results(folder, base)
    except (OSError, ET.ParseError, json.JSONDecodeError) as error:
        print(f"tools/test: suite {suite} left no results: {error}")
        return Counts(failed=1)
    if result.returncode != 0 and not counts["failed"]:
        counts["failed"] += 1
    if points := points_line(folder, base):
        print(points)
    return counts


def run_sanitized():
    folder = ROOT / "build-sanitize"
    # Without optimisation: the sanitizers make the optimiser four times slower than the tests are.
    # One file of each library: the headers are most of what there is to compile.
    build(folder, ["-Db_sanitize=address,undefined", "-Db_lundef=false", "-Doptimization=0",
                   "-Dunity=on", "-Ddebug=false", "-Dcpp_args=-g1 -Wno-shadow"])
    suites = suites_of(folder)
    total = Counts()
    for suite in (s for s in SANITIZED if s in suites):
        total += run_suite(folder, suite, suites[suite], SANITIZER_ENV)
    return total


def run_named(suite, folder, suites):
    if suite == "sanitize":
        return run_sanitized()
    if suite not in suites:
        print(f"tools/test: there is no suite {suite}")
        return Counts(failed=1)
    if suite == "boot":
        # Here, so that a first download is not taken from the time of a test.
        subprocess.run([ROOT / "tests/boot/image.py", "base"], check=True)
    return run_suite(folder, suite, suites[suite])


def order(names):
    return sorted(names, key=lambda n: ORDER.index(n) if n in ORDER else ORDER.index("boot") - 0.5)


def main():
    parser = argparse.ArgumentParser(prog="tools/test", description=__doc__)
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=f"of: {' '.join(ORDER)}")
    parser.add_argument("--build-only", action="store_true", help="only configure and build")
    arguments = parser.parse_args()
    sys.stdout.reconfigure(line_buffering=True)
    folder = ROOT / "build"
    report, total = [], Counts()
    try:
        # Lines for back-traces are enough; the rest of -g is a third of the compiler's time.
        build(folder, ["-Ddebug=false", "-Dcpp_args=-g1"])
        if arguments.build_only:
            return 0
        suites = suites_of(folder)
        for suite in order(set(arguments.suites) or EXPECTED | set(suites)):
            started = time.monotonic()
            print(f"\n== {suite}", flush=True)
            try:
                counts = run_named(suite, folder, suites)
            except subprocess.CalledProcessError as error:
                print(f"tools/test: {suite} could not run: {error}")
                counts = Counts(failed=1)
            total += counts
            report.append(f"{suite:10} {counts}  ({time.monotonic() - started:.0f} s)")
    except subprocess.CalledProcessError as error:
        print(f"tools/test: the build failed: {error}")
        total["failed"] += 1
    print("\n" + "\n".join(report))
    print(total, flush=True)
    return 1 if total["failed"] or not total["passed"] else 0


if __name__ == "__main__":
    sys.exit(main())
