#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Takes the power away at every write, flush, discard and rename of every verb that changes a volume,
and checks each time that nothing is lost. Last line: N points tried, N lost.

One run of the verb leaves the disk of each point behind; points that leave the same are judged once. The first and the
last operation are also reached by a real kill; with --long (or VOLUMECRYPT_TEST_LONG) every point is."""
import argparse
import concurrent.futures
import multiprocessing
import os
import pathlib
import shutil
import signal
import sys
import tempfile
import typing

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from place import Lost, Place  # pylint: disable=wrong-import-position
from decrypt_scenarios import decrypt_scenarios  # pylint: disable=wrong-import-position
from encrypt_scenarios import encrypt_scenarios  # pylint: disable=wrong-import-position
from header_scenarios import header_scenarios  # pylint: disable=wrong-import-position
from moved_scenarios import moved_scenarios  # pylint: disable=wrong-import-position
from scenarios import scenarios  # pylint: disable=wrong-import-position
from state_scenarios import state_scenarios  # pylint: disable=wrong-import-position
from tpm_scenarios import tpm_scenarios  # pylint: disable=wrong-import-position
from volume_key_scenarios import volume_key_scenarios  # pylint: disable=wrong-import-position


class Point(typing.NamedTuple):
    """The power goes at this operation in this way, and the disk is as in this state."""
    number: int
    mode: str
    operation: str
    state: str

    def __str__(self):
        return f"{self.mode} at {self.number} ({self.operation})"


def points_of(folder):
    """The interposer's lines: NUMBER MODE KIND LENGTH STATE."""
    points = []
    for line in (folder / "points").read_text().splitlines() if (folder / "points").exists() else []:
        number, mode, operation, length, state = line.split(" ")
        points.append(Point(int(number), mode, f"{operation} {length}", state))
    return points


def trouble_of(work):
    """Empty when all is well, otherwise what is not."""
    try:
        work()
    except Lost as lost:
        return str(lost)
    except Exception as error:  # pylint: disable=broad-except
        return f"{type(error).__name__}: {error}"
    return ""


class Trial:
    """One scenario in a folder of its own, in a process of its own."""

    def __init__(self, build, folder, scenario):
        self._library = build / "tests/crash/libpower-cut.so"
        self._scenario, self._states = scenario, folder / "states"
        engine = build / "src/engine/volumecrypt-engine"
        self._template, self._place = Place(engine, folder / "template"), Place(engine, folder / "place")

    def _run(self, **more):
        """From the state that the verb finds."""
        self._place.become(self._template)
        return self._scenario.run(self._place, {
            "LD_PRELOAD": str(self._library), "CUT_SCOPE": str(self._place.folder),
            # Locks and what a boot leaves behind: gone with the power anyway.
            "CUT_SKIP": str(self._place.root / "run"), "ASAN_OPTIONS": "verify_asan_link_order=0",
            **{name: str(value) for name, value in more.items()}})

    def uninterrupted(self):
        """All points; the run itself must succeed, and satisfy its judge."""
        self._scenario.prepare(self._template)
        self._states.mkdir()
        status, last = self._run(CUT_SNAPSHOTS=self._states)
        if status != 0:
            raise Lost(f"the uninterrupted run ends with {status}: {last}")
        self._scenario.judge(self._place)
        return points_of(self._states)

    def left_behind(self, state):
        shutil.rmtree(self._place.folder)
        (self._states / state).rename(self._place.folder)
        self._scenario.judge(self._place)

    def killed(self, point):
        status, last = self._run(CUT_AT=point.number, CUT_MODE=point.mode)
        if status != -signal.SIGKILL:
            raise Lost(f"not reached, the engine ends with {status}: {last}")
        self._scenario.judge(self._place)

    def run(self, long):
        """The number of points, of different states, and what was lost."""
        points = self.uninterrupted()
        points = points if long else self._scenario.chosen(points)
        states = {state: trouble_of(lambda one=state: self.left_behind(one))
                  for state in dict.fromkeys(point.state for point in points)}
        problems = [f"{point}: {states[point.state]}" for point in points if states[point.state]]
        ends = [point for point in points if point.mode == "kill" and point.number in (1, points[-1].number)]
        for point in points if long else ends:
            if trouble := trouble_of(lambda one=point: self.killed(one)):
                problems.append(f"killed: {point}: {trouble}")
        return len(points), len(states), problems


def all_scenarios():
    # Those with a TPM take longest. The states of an encryption in place are gigabytes: not of two at once.
    first, *others = encrypt_scenarios()
    return [first, *tpm_scenarios(), *decrypt_scenarios(), *volume_key_scenarios(), *scenarios(), *moved_scenarios(),
            *state_scenarios(), *header_scenarios(), *others]


def try_scenario(build, folder, number, long):
    scenario = all_scenarios()[number]
    folder = folder / f"scenario{number}"
    folder.mkdir()
    result = 1, 1, []

    def work():
        nonlocal result
        try:
            result = Trial(build, folder, scenario).run(long)
        finally:
            scenario.finish()
            shutil.rmtree(folder)
    trouble = trouble_of(work)
    return *result[:2], [f"{scenario.name}: {one}" for one in [*([trouble] if trouble else []), *result[2]]]


def folder_in_memory():
    memory = "/dev/shm"
    where = memory if os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 4 << 30 else None
    return tempfile.TemporaryDirectory(prefix="volumecrypt-crash-", dir=where)


def end_at_once(folder):
    """What meson's time-out does with a test: no process and no folder stays."""
    def stop(*_):
        for worker in multiprocessing.active_children():
            worker.kill()
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(1)
    signal.signal(signal.SIGTERM, stop)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path, help="the meson build directory")
    parser.add_argument("names", nargs="*", help="only scenarios whose names contain one of these")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--long", action="store_true", default="VOLUMECRYPT_TEST_LONG" in os.environ,
                        help="each point once more by a real kill")
    arguments = parser.parse_args()
    chosen = {number: one.name for number, one in enumerate(all_scenarios())
              if not arguments.names or any(name in one.name for name in arguments.names)}
    print(f"1..{len(chosen)}", flush=True)
    total, lost = 0, 0
    with folder_in_memory() as folder, concurrent.futures.ProcessPoolExecutor(
            arguments.jobs, mp_context=multiprocessing.get_context("fork")) as pool:
        running = [pool.submit(try_scenario, arguments.build.resolve(), pathlib.Path(folder), number, arguments.long)
                   for number in chosen]
        end_at_once(folder)
        for number, (name, future) in enumerate(zip(chosen.values(), running), 1):
            tried, states, problems = future.result()
            total, lost = total + tried, lost + len(problems)
            verdict = "not ok" if problems else "ok"
            print(f"{verdict} {number} - {name}: {tried} points, {states} different", flush=True)
            for problem in problems[:20]:
                print(f"# {problem}", flush=True)
    print(f"# {total} points tried, {lost} lost", flush=True)
    return 1 if lost or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
