#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Times the engine and cryptsetup by turns on the same volumes (the body of tools/bench)."""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))
from place import Place  # noqa: E402  pylint: disable=wrong-import-position

KEYS = {slot: f"passphrase of slot {slot}" for slot in range(32)}


class Measure:
    """What we do, what the peer does, and how many times its time we may take."""

    def __init__(self, name, ours, peer, goal):
        self.name, self.ours, self.peer, self.goal = name, ours, peer, goal
        self.times = ([], [])

    def take(self):
        for function, times in zip((self.ours, self.peer), self.times):
            started = time.perf_counter()
            function()
            times.append(time.perf_counter() - started)

    def result(self):
        ours, peer = (statistics.median(times) for times in self.times)
        return judged(self.name, ours, peer, self.goal)


def volume(engine, folder, keys, cheap):
    """A formatted volume whose slots cost what the engine gives them, or the least that can be."""
    place = Place(engine, folder)
    place.clear()
    place.declare(keys)
    place.must("format", test_kdf=cheap)
    place.must("sync", test_kdf=cheap)
    return place


def peer_of(place):
    def run():
        if not place.opens(KEYS[0], 0):
            sys.exit("tools/bench: cryptsetup does not open what it is timed with")
    return run


def measures(engine, folder):
    two, all_keys = {slot: KEYS[slot] for slot in (0, 1)}, KEYS
    cheap = [volume(engine, f"{folder}/{len(keys)}", keys, True) for keys in (two, all_keys)]
    costly = volume(engine, f"{folder}/default", two, False)
    # Only the first slot is opened when nothing differs: the others may be cheap to make.
    many = volume(engine, f"{folder}/many", {0: KEYS[0]}, False)
    many.declare(all_keys)
    many.must("sync")
    peer = "cryptsetup open --test-passphrase"
    for place, count, cost in ((cheap[0], 2, "minimum"), (cheap[1], 32, "minimum"), (costly, 2, "default"),
                               (many, 32, "default")):
        yield Measure(f"sync of {count} keys, nothing to do, {cost} cost / {peer}",
                      lambda place=place: place.must("sync"), peer_of(place), 2.0)


def judged(name, ours, peer, goal):
    return {"name": name, "ours": round(ours, 4), "peer": round(peer, 4), "ratio": round(ours / peer, 2),
            "goal": goal, "met": goal is None or ours / peer <= goal}


def bench_lines(output):
    """What a program that measures by itself has printed."""
    return [judged(one["name"], one["ours"], one["peer"], one["goal"])
            for one in (json.loads(line.split("BENCH ", 1)[1]) for line in output.splitlines() if "BENCH " in line)]


def attach_results(build):
    """attach needs dm-crypt: user-mode Linux has it, wherever we are."""
    done = subprocess.run([ROOT / "tests/dm/run.py", build, "bench"], capture_output=True, text=True, check=False)
    found = bench_lines(done.stdout)
    if not found:
        sys.exit(f"tools/bench: attach could not be measured:\n{done.stdout}{done.stderr}")
    return found


def kms_results(build):
    program = build / "tests/contract/kms-bench"
    if not program.exists():  # built without the server
        return []
    done = subprocess.run([program], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"tools/bench: calls of the KMS could not be measured:\n{done.stderr}")
    return bench_lines(done.stdout)


def main():
    parser = argparse.ArgumentParser(prog="tools/bench", description=__doc__)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build", help="a built tree (default: build)")
    parser.add_argument("--rounds", type=int, default=15, help="measurements of each pair (default: 15)")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    engine = arguments.build.resolve() / "src/engine/volumecrypt-engine"
    # Suites build what they need, which the second is not.
    if not engine.exists() or not (arguments.build.resolve() / "tests/contract/kms-bench").exists():
        subprocess.run([ROOT / "tools/test", "--build-only"], check=True, stdout=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="volumecrypt-bench-") as folder:
        pairs = list(measures(engine, folder))
        # By turns, so that whatever else the machine does meets all of them.
        for number in range(arguments.rounds):
            for pair in pairs:
                if "default" not in pair.name or number % 3 == 0:
                    pair.take()
        results = [pair.result() for pair in pairs] + attach_results(arguments.build.resolve())
        results += kms_results(arguments.build.resolve())
    for result in results:
        if arguments.json:
            print(json.dumps(result))
        else:
            goal = f"goal {result['goal']:.1f}" if result["goal"] is not None else "no goal"
            print(f"{result['ratio']:5.2f}  ({goal}{'' if result['met'] else ', MISSED'})  {result['name']}  "
                  f"[{result['ours'] * 1000:.1f} ms / {result['peer'] * 1000:.1f} ms]")
    return 0 if all(result["met"] for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
