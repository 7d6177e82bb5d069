# SPDX-License-Identifier: Apache-2.0
"""What is interrupted, and what must be true whenever it was. Keys are {slot: "nodeID" or passphrase}."""
from place import Lost

NODE = {0: "nodeID"}
CONFIRM = ("--confirm", "u-data")


class Scenario:
    """A verb on a prepared volume: run to its end it succeeds, and killed anywhere judge() is content."""

    def __init__(self, name, verb, secret=None):
        self.name, self.verb, self.secret = name, verb, secret

    def prepare(self, place):
        """The state that the verb finds."""

    def run(self, place, environment=None):
        return place.engine(*self.verb, secret=self.secret, environment=environment)

    def judge(self, place):
        """Raises Lost when something is not as it must be."""

    def chosen(self, points):
        """Of all points those that are judged in every run; --long takes all."""
        return points

    def finish(self):
        """Ends what the scenario started."""


def adopt(place, keys):
    """A volume in use: made elsewhere, adopted, and so pinned and `ready`."""
    place.clear()
    slot, key = next(iter(keys.items()))
    place.luks_format(slot, key)
    place.declare(keys)
    place.must("sync")


def converge(place, secret, volume="u-data"):
    """sync, as at each boot, until there is nothing left to do. With the old key that an administrator
    gives when no declared one opens the volume any more."""
    for _ in range(3):
        status, last = place.engine("sync", volume=volume)
        if status != 0 and secret is not None and last.get("code") == "NoUsableKey":
            status, last = place.engine("sync", secret=secret, volume=volume)
        if status != 0:
            raise Lost(f"sync ends with {status}: {last}")
        if not last["changed"]:
            break
    else:
        raise Lost("sync does not come to an end")
    status, last = place.engine("plan", volume=volume)
    if status != 0:
        raise Lost(f"after the sync the plan is: {last}")


def no_orphans(place, wanted, possible=()):
    """Nothing but the wanted key slots, one record, and nothing pending in it."""
    header = place.header()
    slots = {int(slot) for slot in header["keyslots"]}
    if not set(wanted) <= slots <= set(wanted) | set(possible):
        raise Lost(f"key slots {sorted(slots)}, wanted {sorted(wanted)}")
    records = [token for token in header["tokens"].values() if token["type"] == "volumecrypt"]
    if len(records) != 1 or records[0].get("pending"):
        raise Lost(f"records: {records}")
    return slots


class Sync(Scenario):
    """sync from one declaration to another."""

    def __init__(self, name, before, after, foreign=None, secret=None, setup=None, extra=""):
        super().__init__(name, ("sync",), secret)
        self.before, self.after, self.foreign, self.setup = before, after, foreign or {}, setup
        self.extra = extra

    def prepare(self, place):
        adopt(place, self.before)
        for slot, key in self.foreign.items():
            place.add_foreign(slot, key, next(iter(self.before.values())))
        if self.setup:
            self.setup(place)
        place.declare(self.after, self.extra)

    def run(self, place, environment=None):
        place.declare(self.after, self.extra)
        return super().run(place, environment)

    def judge(self, place):
        kept = [key for slot, key in self.after.items() if self.before.get(slot) == key]
        others = [*self.after.values(), *self.before.values()]
        if kept:
            if not place.opens(kept[0]):
                raise Lost(f"the untouched key {kept[0]} does not open the volume")
        elif not any(place.opens(key) for key in dict.fromkeys(others)):
            raise Lost("neither an old nor a declared key opens the volume")
        self.judge_foreign(place)
        converge(place, self.secret)
        no_orphans(place, {*self.after, *self.foreign})
        for slot, key in self.after.items():
            if self.before.get(slot) != key and not place.opens(key, slot):
                raise Lost(f"slot {slot} is not opened by {key}")
        for slot, key in self.before.items():
            if self.after.get(slot, key) != key and place.opens(key, slot):
                raise Lost(f"slot {slot} is still opened by {key}")
        self.judge_foreign(place)

    def judge_foreign(self, place):
        for slot, key in self.foreign.items():
            if not place.opens(key, slot):
                raise Lost(f"somebody else's key in slot {slot} is gone")


class TakenBack(Sync):
    """somebody else's key was to be removed; before the next sync the configuration lets it be again."""

    def prepare(self, place):
        super().prepare(place)
        place.add_foreign(5, "foreign", "one")

    def judge(self, place):
        intact = place.opens("foreign", 5)
        place.declare(self.after)
        converge(place, None)
        no_orphans(place, self.after, possible={5})
        if intact and not place.opens("foreign", 5):
            raise Lost("somebody else's key was removed though nobody wants that any more")


class AddKey(Scenario):
    def __init__(self):
        super().__init__("add-key", ("add-key",), secret="added")
        self.before = {**NODE, 1: "one"}

    def prepare(self, place):
        adopt(place, self.before)

    def run(self, place, environment=None):
        place.declare(self.before)
        return super().run(place, environment)

    def judge(self, place):
        if not place.opens("nodeID", 0) or not place.opens("one", 1):
            raise Lost("a declared key does not open the volume")
        converge(place, None)
        slots = no_orphans(place, self.before, possible=range(32))
        added = slots - set(self.before)
        if len(added) > 1:
            raise Lost(f"key slots {sorted(slots)}")
        for slot in added:
            if not place.opens("added", slot):
                raise Lost(f"slot {slot} holds something else")
            place.must("remove-key", "--slot", str(slot))


class RemoveKey(AddKey):
    def __init__(self):
        super().__init__()
        self.name, self.verb, self.secret = "remove-key", ("remove-key", "--slot", "30"), None

    def prepare(self, place):
        super().prepare(place)
        slot = place.must("add-key", secret="added")["slot"]
        self.verb = ("remove-key", "--slot", str(slot))


class Format(Scenario):
    """The first format of a blank device; with force, over a volume that is given up."""

    def __init__(self, force=False):
        super().__init__("format --force" if force else "format", ("format", *(("--force",) if force else ())))
        self.keys = {**NODE, 1: "one"}
        self.force = force

    def prepare(self, place):
        if self.force:
            adopt(place, {0: "older"})
        else:
            place.clear()

    def run(self, place, environment=None):
        place.declare(self.keys)
        return super().run(place, environment)

    def judge(self, place):
        status, last = place.engine("sync")
        if status != 0:
            # Not there yet: the format is started over, by itself unless it was forced.
            place.must(*self.verb)
        place.must("sync")
        no_orphans(place, self.keys)
        for slot, key in self.keys.items():
            if not place.opens(key, slot):
                raise Lost(f"slot {slot} is not opened by {key}: {last}")
        converge(place, None)


class Wipe(Scenario):
    """The volume is there, or the device can be wiped and formatted; never neither."""

    def __init__(self):
        super().__init__("wipe", ("wipe", *CONFIRM))
        self.keys = {**NODE, 1: "one"}

    def prepare(self, place):
        adopt(place, self.keys)

    def run(self, place, environment=None):
        place.declare(self.keys)
        return super().run(place, environment)

    def judge(self, place):
        if place.opens("one"):
            place.must("sync")
        place.must(*self.verb)
        place.must("format")
        if not place.opens("one", 1):
            raise Lost("the device is not formatted anew")


class Erase(Wipe):
    def __init__(self):
        super().__init__()
        self.name, self.verb = "erase", ("erase", *CONFIRM)

    def judge(self, place):
        place.must(*self.verb)
        if place.header()["keyslots"]:
            raise Lost("a key slot is left")
        place.must("wipe", *CONFIRM)
        place.must("format")


def damage_primary(place):
    """One copy of the header is broken: sync repairs it."""
    with open(place.image, "r+b") as image:
        image.seek(4096 + 100)
        image.write(b"damaged")


def kill_slot(slot):
    def setup(place):
        place.cryptsetup_must("luksKillSlot", str(place.image), str(slot))
    return setup


FULL = {**NODE, **{slot: f"key{slot}" for slot in range(1, 32)}}
REMOVE_UNMANAGED = "  unmanagedSlots: remove\n"


def scenarios():
    one = {**NODE, 1: "one"}
    return [
        Format(),
        Format(force=True),
        Sync("nothing to do", one, one),
        Sync("add", NODE, {**NODE, 1: "one", 2: "two"}),
        Sync("replace", one, {**NODE, 1: "two"}, foreign={5: "foreign"}),
        Sync("replace the only key, with the old one given", {1: "one"}, {1: "two"}, secret="one"),
        Sync("replace the kind", {0: "zero", 1: "one"}, {0: "nodeID", 1: "one"}),
        Sync("replace in place, all 32 slots used", FULL, {**FULL, 31: "new31"}),
        Sync("remove", {**one, 2: "two"}, NODE, foreign={5: "foreign"}),
        Sync("remove somebody else's, as told", one, one, extra=REMOVE_UNMANAGED,
             setup=lambda place: place.add_foreign(5, "foreign", "one")),
        TakenBack("remove somebody else's, and think better of it", one, one, extra=REMOVE_UNMANAGED),
        Sync("remove from 32", FULL, {slot: key for slot, key in FULL.items() if slot < 30}),
        Sync("move a key to another slot", one, {**NODE, 3: "one"}),
        Sync("swap two keys", {0: "zero", 1: "one"}, {0: "one", 1: "zero"}),
        Sync("add, replace and remove at once", {**one, 2: "two"}, {**NODE, 1: "new", 3: "three"}),
        Sync("the record's number becomes declared", one, {**one, 30: "thirty", 31: "thirty-one"}),
        Sync("a killed slot comes back", one, one, setup=kill_slot(1)),
        Sync("the repair of a damaged copy", one, {**one, 2: "two"}, setup=damage_primary),
        AddKey(),
        RemoveKey(),
        Wipe(),
        Erase(),
    ]
