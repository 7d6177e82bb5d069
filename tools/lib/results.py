# SPDX-License-Identifier: Apache-2.0
"""What a run of meson's test suites left behind, counted, and what each step cost."""
import collections
import dataclasses
import json
import re
import time
import xml.etree.ElementTree as ET

# What the tests of the crash suite end with.
POINTS = re.compile(r"^# (\d+) points tried, (\d+) lost$", re.MULTILINE)


class Counts(collections.Counter):
    """Test cases by verdict: passed, failed, skipped."""

    def __str__(self):
        return f"{self['passed']} passed, {self['failed']} failed, {self['skipped']} skipped"


def added(several):
    total = Counts()
    for counts in several:
        total.update(counts)
    return total


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


@dataclasses.dataclass
class Step:
    """A suite, or what had to be made for it. No budget: nobody knows yet what it may cost."""
    name: str
    budget: int | None
    seconds: float = 0
    counts: Counts | None = None

    def __str__(self):
        took = f"{self.seconds:.0f} s" + ("" if self.budget is None else f" of {self.budget} s")
        return f"{self.name:16} {took:15} {'' if self.counts is None else self.counts}".rstrip()

    def over(self):
        return self.budget is not None and self.seconds > self.budget


class Report:
    """The steps of a run. A step over its budget is said loudly and fails nothing: machines differ."""

    def __init__(self, clock=time.monotonic):
        self._clock, self._started, self.steps = clock, clock(), []

    def run(self, name, budget, work):
        """Runs `work`, which may return counts, and notes how long it took, also when it fails."""
        step = Step(name, budget)
        self.steps.append(step)
        print(f"\n== {name}", flush=True)
        started = self._clock()
        try:
            step.counts = work()
        finally:
            step.seconds = self._clock() - started
        return step.counts

    def total(self):
        return added(step.counts for step in self.steps if step.counts is not None)

    def lines(self):
        yield from (str(step) for step in self.steps)
        yield f"{'altogether':16} {self._clock() - self._started:.0f} s"
        for step in self.steps:
            if step.over():
                yield f"!!! OVER BUDGET: {step.name} took {step.seconds:.0f} s, its budget is {step.budget} s !!!"
