#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A random walk: declarations change, people use cryptsetup by hand, power goes, and after every step
plain cryptsetup is asked whether a key was lost. The same seed walks the same way."""
import argparse
import hashlib
import json
import os
import pathlib
import random
import shutil
import signal
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from place import CHEAP, Lost, Place, passphrase_of  # pylint: disable=wrong-import-position

MODES = ("kill", "torn", "lost", "reorder")
SLOTS = (0, 1, 2, 3, 5, 30, 31)
POOL = ("nodeID", "alpha", "beta", "gamma", "delta")
UNMANAGED = "unmanaged"


class Walk:
    """One volume. `theirs` and `added` are what must stay: {slot: passphrase}."""

    def __init__(self, place, library, seed):
        self.place, self.library = place, library
        self.random = random.Random(seed)
        self.theirs, self.added, self.going, self.changed = {}, {}, {}, {}
        self.declared, self.policy = {}, "keep"
        self.every = set(POOL)  # passphrases that may open something
        self.serial = 0
        self.opened = {}        # (slot, its entry and area, passphrase): known answers
        self.trace = []
        self.backup = None

    # What is on the disk.

    def slots(self):
        """{slot: digest of its entry and area}"""
        found = {}
        with open(self.place.image, "rb") as image:
            for slot, entry in self.place.header()["keyslots"].items():
                image.seek(int(entry["area"]["offset"]))
                area = image.read(int(entry["area"]["size"]))
                found[int(slot)] = hashlib.sha256(json.dumps(entry, sort_keys=True).encode() + area).hexdigest()
        return found

    def opens(self, slot, key, slots):
        question = (slot, slots[slot], key)
        if question not in self.opened:
            self.opened[question] = self.place.opens(key, slot)
        return self.opened[question]

    def keys_of(self, slots):
        """{slot: the passphrase that opens it}, of those that are known"""
        found = {}
        for slot in slots:
            likely = [known[slot] for known in (self.declared, self.theirs, self.added) if slot in known]
            for key in dict.fromkeys([*likely, *sorted(self.every)]):
                if key != UNMANAGED and self.opens(slot, key, slots):
                    found[slot] = key
                    break
        return found

    def record(self):
        for token in self.place.header()["tokens"].values():
            if token["type"] == "volumecrypt":
                return token
        return {}

    def ours(self):
        """The slots that the record claims."""
        record = self.record()
        claimed = {int(slot) for slot in record.get("slots", {})}
        pending = record.get("pending") or {}
        return claimed | {pending[name] for name in ("slot", "spare") if pending.get(name) is not None}

    # What happens.

    def declare(self, keys, policy="keep"):
        self.declared, self.policy = keys, policy
        lines = {slot: key for slot, key in keys.items() if key != UNMANAGED}
        extra = "".join(f"    - {{slot: {slot}, unmanaged: {{}}}}\n" for slot, key in keys.items() if key == UNMANAGED)
        self.place.declare(lines, extra + ("  unmanagedSlots: remove\n" if policy == "remove" else ""))

    def engine(self, verb, *options, secret=None, cut=False):
        environment = {}
        if cut:
            environment = {"LD_PRELOAD": str(self.library), "CUT_SCOPE": str(self.place.folder),
                           "CUT_SKIP": str(self.place.root / "run"), "ASAN_OPTIONS": "verify_asan_link_order=0",
                           "CUT_AT": str(self.random.randint(1, 60)), "CUT_MODE": self.random.choice(MODES)}
        status, last = self.place.engine(verb, *options, secret=secret and passphrase_of(secret),
                                         environment=environment)
        steps = [f"{one['action']} {one['slot']}" for one in last.get("steps", []) if one["action"] != "keep"]
        self.trace.append(f"  {verb} {options} secret={secret} {environment.get('CUT_AT', '')} "
                          f"{environment.get('CUT_MODE', '')}: {status} {last.get('code', steps)} "
                          f"{last.get('message', '')}")
        if status not in (0, 1, 2, 75, -signal.SIGKILL):
            raise Lost(f"{verb} ends with {status}: {last}")
        if last.get("code") in ("Internal", "HeaderCorrupt", "Io"):
            raise Lost(f"{verb} says {last}")
        return status, last

    def new_key(self):
        self.serial += 1
        self.every.add(f"hand{self.serial}")
        return f"hand{self.serial}"

    def some_key(self):
        """A passphrase that opens the volume now."""
        keys = self.keys_of(self.slots())
        if not keys:
            raise Lost("no known key opens the volume")
        return self.random.choice(sorted(keys.items()))

    def change_declaration(self):
        keys = dict(self.declared)
        for _ in range(self.random.randint(1, 3)):
            slot = self.random.choice(SLOTS)
            if slot in keys and self.random.random() < 0.4:
                del keys[slot]
            elif self.random.random() < 0.1:
                keys[slot] = UNMANAGED
            else:
                keys[slot] = self.random.choice(POOL)
        if len(keys) > 1 and self.random.random() < 0.3:  # moved, swapped, rotated
            at = sorted(keys)
            values = [keys[slot] for slot in at]
            keys = dict(zip(at, values[1:] + values[:1]))
        if not any(key != UNMANAGED for key in keys.values()):
            keys[0] = "nodeID"
        self.declare(keys, "remove" if self.random.random() < 0.1 else "keep")

    def hand_add(self):
        _, opener = self.some_key()
        slots = self.slots()
        taken = set(slots) | self.ours()
        free = [slot for slot in range(32) if slot not in taken]
        if not free:
            return
        slot = self.random.choice([free[0], self.random.choice(free)])
        key = self.new_key() if self.random.random() < 0.7 else self.random.choice(POOL)
        self.place.add_foreign(slot, key, opener)
        self.theirs[slot] = key

    def hand_change(self):
        slot, old = self.some_key()
        key, file = self.new_key(), self.place.folder / "new-key"
        file.write_text(key, encoding="ascii")
        self.place.cryptsetup_must("luksChangeKey", *CHEAP, "--key-slot", str(slot), "--key-file", "-",
                                   str(self.place.image), str(file), stdin=passphrase_of(old))
        file.unlink()
        self.changed[slot] = key
        for known in (self.theirs, self.added):
            if slot in known:
                known[slot] = key

    def hand_kill(self):
        slots = self.slots()
        if len(self.keys_of(slots)) < 2:
            return
        slot, _ = self.some_key()
        self.place.cryptsetup_must("luksKillSlot", str(self.place.image), str(slot))
        self.theirs.pop(slot, None)
        self.added.pop(slot, None)

    def hand_priority(self):
        slot, _ = self.some_key()
        self.place.cryptsetup_must("config", "--priority", self.random.choice(("prefer", "normal")),
                                   "--key-slot", str(slot), str(self.place.image))

    def hand_convert(self):
        slot, key = self.some_key()
        self.place.cryptsetup_must("luksConvertKey", *CHEAP, "--key-slot", str(slot), "--key-file", "-",
                                   str(self.place.image), stdin=passphrase_of(key))

    def hand_record(self):
        """The record disappears, or is tampered with."""
        for number, token in self.place.header()["tokens"].items():
            if token["type"] != "volumecrypt":
                continue
            pending = token.get("pending") or {}
            if pending:  # a spare would be nobody's
                return
            self.place.cryptsetup_must("token", "remove", "--token-id", number, str(self.place.image))
            # Nobody knows any more whose they were: theirs from now on.
            if self.random.random() < 0.5:
                token["volume"] = "u-other"
                self.place.cryptsetup_must("token", "import", "--token-id", number, str(self.place.image),
                                           stdin=json.dumps(token))
        keys = self.keys_of(self.slots())
        self.theirs.update({slot: key for slot, key in keys.items() if self.declared.get(slot) != key})
        self.added = {}

    def hand_damage(self):
        with open(self.place.image, "r+b") as image:
            image.seek(self.random.choice((4096, (128 << 10) + 4096)) + 100)
            image.write(b"damaged")

    def hand_backup(self):
        if self.backup is None or self.random.random() < 0.4:
            file = self.place.folder / "backup"
            file.unlink(missing_ok=True)
            self.place.cryptsetup_must("luksHeaderBackup", "--header-backup-file", str(file), str(self.place.image))
            self.backup = (dict(self.theirs), dict(self.added))
            return
        self.place.cryptsetup_must("luksHeaderRestore", "--header-backup-file", str(self.place.folder / "backup"),
                                   str(self.place.image))
        self.theirs, self.added = (dict(known) for known in self.backup)

    def add_key(self, cut):
        key = self.new_key()
        before = set(self.slots())
        status, last = self.engine("add-key", secret=key, cut=cut)
        if status == 0:
            self.added[last["slot"]] = key
        elif status < 0:
            for slot in set(self.slots()) - before:
                if self.opens(slot, key, self.slots()):
                    self.added[slot] = key

    def remove_key(self, cut):
        slot = self.random.choice(sorted({*self.slots(), 17}))
        left = self.ours() - set(self.declared)  # ours and no longer declared
        status, last = self.engine("remove-key", "--slot", str(slot), cut=cut)
        if status == 0 and slot not in self.added and slot not in left:
            raise Lost(f"remove-key removed slot {slot}, which add-key did not add: {last}")
        if status == 0:
            self.added.pop(slot, None)
        elif status < 0 and slot in self.added:  # it goes now, or stays
            self.going[slot] = self.added.pop(slot)

    def sync(self, cut):
        options = ("--verify",) if self.random.random() < 0.15 else ()
        secret = self.some_key()[1] if self.random.random() < 0.1 else None
        self.engine("sync", *options, secret=secret, cut=cut)

    # What must be true.

    def judge_kept(self, before):
        """Nothing of anybody else's is changed, and a key is there."""
        slots = self.slots()
        for known in (self.theirs, self.added):
            for slot, key in known.items():
                if known is self.theirs and self.policy == "remove" and self.declared.get(slot) != UNMANAGED:
                    continue
                if slot not in slots:
                    raise Lost(f"{'their' if known is self.theirs else 'added'} slot {slot} is gone")
                if slots[slot] != before.get(slot) and not self.opens(slot, key, slots):
                    raise Lost(f"slot {slot} is not opened by {key} any more")
        if not self.keys_of(slots):
            raise Lost("no known key opens the volume")

    def settled(self):
        """Those of `theirs` that the run has removed as told, or adopted."""
        slots, ours = self.slots(), self.ours()
        # What was ours until somebody changed or claimed it.
        left = {slot for slot, key in self.declared.items() if key == UNMANAGED} | set(self.changed)
        left = {slot for slot in left - ours - set(self.theirs) - set(self.added) if slot in slots}
        self.theirs.update(self.keys_of({slot: slots[slot] for slot in left}))
        for known in (self.theirs, self.added):
            for slot in list(known):
                if slot not in slots or (self.declared.get(slot) == known[slot] and slot in ours):
                    del known[slot]

    def refused(self):
        """Declared slots that hold somebody else's key."""
        return {slot for slot, key in self.declared.items() if key != UNMANAGED and
                any(known.get(slot, key) != key for known in (self.theirs, self.added))}

    def converge(self):
        for _ in range(4):
            status, last = self.engine("sync")
            if last.get("code") in ("NoUsableKey", "LastKey"):
                status, last = self.engine("sync", secret=self.some_key()[1])
            self.settled()
            if status == 1 and last["code"] == "SlotInUse" and last["slot"] in self.refused():
                return
            if status != 0:
                raise Lost(f"sync ends with {status}: {last}")
            if not last["changed"]:
                break
        else:
            raise Lost("sync does not come to an end")
        self.judge_converged()

    def judge_converged(self):
        content = self.place.image.read_bytes()
        status, last = self.engine("plan")
        if status != 0:
            raise Lost(f"after the sync the plan is {last}")
        status, last = self.engine("sync")
        if status != 0 or last["changed"] or self.place.image.read_bytes() != content:
            raise Lost(f"a sync with nothing to do wrote something: {last}")
        slots = self.slots()
        mine = {slot: key for slot, key in self.declared.items() if key != UNMANAGED}
        for slot, key in mine.items():
            if slot not in slots or not self.opens(slot, key, slots):
                raise Lost(f"slot {slot} is not opened by {key}")
        documented = {slot for slot, key in self.declared.items() if key == UNMANAGED}
        self.added.update({slot: key for slot, key in self.going.items() if slot in slots and slot not in mine})
        self.going = {}
        extra = set(slots) - set(mine) - set(self.theirs) - set(self.added) - documented
        if extra:
            raise Lost(f"slots {sorted(extra)} are nobody's")
        if self.record().get("pending"):
            raise Lost("a pending change is left")

    def step(self):
        manual = [self.hand_add, self.hand_add, self.hand_change, self.hand_kill, self.hand_priority,
                  self.hand_convert, self.hand_record, self.hand_damage, self.hand_backup]
        mine = [self.sync, self.sync, self.sync, self.add_key, self.remove_key]
        chosen = self.random.choice([self.change_declaration, None, None])
        if chosen:
            chosen()
            self.trace.append(f"declare {self.declared} {self.policy}")
        if self.random.random() < 0.4:
            act = self.random.choice(manual)
            self.trace.append(act.__name__)
            act()
            self.trace.append(f"  theirs {self.theirs} added {self.added}")
        act = self.random.choice(mine)
        before = self.slots()
        act(self.random.random() < 0.6)
        self.judge_kept(before)
        self.settled()
        if self.random.random() < 0.4:
            before = self.slots()
            self.converge()
            self.judge_kept(before)

    def start(self):
        self.place.clear()
        self.declare({0: "nodeID", 1: "alpha"})
        self.place.must("format")


def walk(build, folder, seed, steps):
    """Raises Lost with the end of the way that was walked."""
    place = Place(build / "src/engine/volumecrypt-engine", folder)
    one = Walk(place, build / "tests/crash/libpower-cut.so", seed)
    one.start()
    for number in range(steps):
        try:
            one.step()
        except Lost as lost:
            raise Lost("\n".join([f"seed {seed}, step {number}: {lost}", *one.trace[-14:]])) from lost


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build", type=pathlib.Path, help="the meson build directory")
    parser.add_argument("--seed", type=int, default=1, help="of the first walk")
    parser.add_argument("--walks", type=int, default=4)
    parser.add_argument("--steps", type=int, default=25, help="of each walk")
    arguments = parser.parse_args()
    memory = "/dev/shm"
    where = memory if os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 1 << 30 else None
    folder = pathlib.Path(tempfile.mkdtemp(prefix="volumecrypt-walk-", dir=where))
    print(f"1..{arguments.walks}", flush=True)
    lost = 0
    try:
        for number in range(1, arguments.walks + 1):
            seed = arguments.seed + number - 1
            problem = ""
            try:
                walk(arguments.build.resolve(), folder / "place", seed, arguments.steps)
            except Lost as found:
                problem, lost = str(found), lost + 1
            print(f"{'not ok' if problem else 'ok'} {number} - walk {seed}: {arguments.steps} steps", flush=True)
            for line in problem.splitlines():
                print(f"# {line}", flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
