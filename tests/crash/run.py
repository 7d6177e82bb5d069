#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Takes the power away at every write, flush, discard and rename of every verb that changes a volume,
and checks each time that nothing is lost. Last line: N points tried, N lost."""
import argparse
import concurrent.futures
import os
import pathlib
import shutil
import signal
import sys
import tempfile
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from place import Lost, Place  # pylint: disable=wrong-import-position
from moved_scenarios import moved_scenarios  # pylint: disable=wrong-import-position
from scenarios import scenarios  # pylint: disable=wrong-import-position
from state_scenarios import state_scenarios  # pylint: disable=wrong-import-position
from tpm_scenarios import tpm_scenarios  # pylint: disable=wrong-import-position


class Operation:
    """One line of the interposer's log: what the verb does to the disk, in its order."""

    def __init__(self, line):
        number, self.kind, length, unflushed, self.path = line.split(" ", 4)
        self.number, self.length, self.unflushed = int(number), int(length), int(unflushed)

    def modes(self):
        """The ways in which the power can go here that differ from one another."""
        yield "kill"
        if self.kind == "write":
            if self.length > 1:
                yield "torn"
            if self.unflushed:
                yield "reorder"
        if self.unflushed:
            yield "lost"


class Suite:
    def __init__(self, build, jobs):
        self._engine = build / "src/engine/volumecrypt-engine"
        self._library = build / "tests/crash/libpower-cut.so"
        self._jobs = jobs
        memory = "/dev/shm"
        where = memory if os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 4 << 30 else None
        self._folder = pathlib.Path(tempfile.mkdtemp(prefix="volumecrypt-crash-", dir=where))
        self._local = threading.local()
        self._workers = 0
        self._lock = threading.Lock()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self._folder, ignore_errors=True)

    def _cut(self, place, **more):
        return {"LD_PRELOAD": str(self._library), "CUT_SCOPE": str(place.folder),
                # Locks and what a boot leaves behind: gone with the power anyway.
                "CUT_SKIP": str(place.root / "run"), "ASAN_OPTIONS": "verify_asan_link_order=0",
                **{name: str(value) for name, value in more.items()}}

    def _own_place(self):
        """Each thread works at a place of its own."""
        if not hasattr(self._local, "place"):
            with self._lock:
                self._workers += 1
                self._local.place = Place(self._engine, self._folder / f"worker{self._workers}")
        return self._local.place

    def operations(self, scenario, template):
        """What the scenario does when nothing happens to it; it must succeed, and satisfy its judge."""
        scenario.prepare(template)
        place = self._own_place()
        place.become(template)
        log = self._folder / "log"
        log.unlink(missing_ok=True)
        status, last = scenario.run(place, self._cut(place, CUT_LOG=log))
        if status != 0:
            raise Lost(f"the uninterrupted run ends with {status}: {last}")
        scenario.judge(place)
        return [Operation(line) for line in log.read_text().splitlines()] if log.exists() else []

    def point(self, scenario, template, operation, mode):
        """Empty when all is well, otherwise what is not."""
        where = f"{scenario.name}: {mode} at {operation.number} ({operation.kind} {operation.length})"
        place = self._own_place()
        try:
            place.become(template)
            status, last = scenario.run(place, self._cut(place, CUT_AT=operation.number, CUT_MODE=mode))
            if status != -signal.SIGKILL:
                return f"{where}: not reached, the engine ends with {status}: {last}"
            scenario.judge(place)
        except Lost as lost:
            return f"{where}: {lost}"
        except Exception as error:  # pylint: disable=broad-except
            return f"{where}: {type(error).__name__}: {error}"
        return ""

    def run(self, scenario):
        """The number of points tried, and what was lost."""
        template = Place(self._engine, self._folder / "template")
        try:
            operations = self.operations(scenario, template)
        except Lost as lost:
            return 1, [f"{scenario.name}: {lost}"]
        points = [(operation, mode) for operation in operations for mode in operation.modes()]
        with concurrent.futures.ThreadPoolExecutor(self._jobs) as pool:
            results = list(pool.map(lambda point: self.point(scenario, template, *point), points))
        return len(points), [result for result in results if result]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build", type=pathlib.Path, help="the meson build directory")
    parser.add_argument("names", nargs="*", help="only scenarios whose names contain one of these")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    arguments = parser.parse_args()
    chosen = [one for one in [*scenarios(), *moved_scenarios(), *state_scenarios(), *tpm_scenarios()]
              if not arguments.names or any(name in one.name for name in arguments.names)]
    print(f"1..{len(chosen)}", flush=True)
    total, lost = 0, 0
    with Suite(arguments.build.resolve(), arguments.jobs) as suite:
        for number, scenario in enumerate(chosen, 1):
            tried, problems = suite.run(scenario)
            total, lost = total + tried, lost + len(problems)
            print(f"{'not ok' if problems else 'ok'} {number} - {scenario.name}: {tried} points", flush=True)
            for problem in problems[:20]:
                print(f"# {problem}", flush=True)
    print(f"# {total} points tried, {lost} lost", flush=True)
    return 1 if lost or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
