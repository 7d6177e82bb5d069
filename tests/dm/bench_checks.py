# SPDX-License-Identifier: Apache-2.0
"""For tools/bench: the time of attach against that of cryptsetup open, on the same volumes by turns.
Prints JSON lines; not a test."""
import json
import statistics
import time

from engine_checks import MAP, NODE_ID, Volume
from lab import Machine, run

ROUNDS = {"minimum": 25, "default": 5}


def timed(function):
    started = time.monotonic()
    function()
    return time.monotonic() - started


def peer(volume):
    run("cryptsetup", "open", "--type", "luks2", "--key-slot", "0", "--key-file", "-", volume.disk.node, MAP,
        stdin=NODE_ID)


def measure(machine, cost):
    with Volume(machine, 40) as volume:
        # The first attach makes the slots; what it costs to open them is in the header from then on.
        machine.test_kdf = cost == "minimum"
        volume.attach().succeeded()
        volume.detach().succeeded()
        ours, theirs = [], []
        for _ in range(ROUNDS[cost]):
            ours.append(timed(lambda: volume.attach().succeeded()))
            volume.detach().succeeded()
            theirs.append(timed(lambda: peer(volume)))
            run("cryptsetup", "close", MAP)
    print("BENCH " + json.dumps({"name": f"attach, {cost} cost / cryptsetup open", "goal": 1.2,
                                 "ours": statistics.median(ours), "peer": statistics.median(theirs)}), flush=True)


def run_all(build):
    for cost in ROUNDS:
        measure(Machine(build), cost)
