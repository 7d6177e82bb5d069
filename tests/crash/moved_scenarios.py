# SPDX-License-Identifier: Apache-2.0
"""A volume under another name, a record that is given its machine's mark, a disk of another machine."""
import json
import shutil

from place import OTHER_UUID, UUID, Lost
from scenarios import NODE, Scenario, adopt, converge, no_orphans

FRESH = "nodeID:" + UUID + "u-fresh"
OTHER = "nodeID:" + OTHER_UUID + "u-data"


class Rename(Scenario):
    """The document of a volume with nodeID keys has another name."""

    def __init__(self, name, keys):
        super().__init__(name, ("sync",))
        self.keys = keys

    def prepare(self, place):
        adopt(place, self.keys)

    def declare(self, place):
        place.declare(self.keys, name="fresh")

    def run(self, place, environment=None):
        self.declare(place)
        return place.engine(*self.verb, environment=environment, volume="u-fresh")

    def judge(self, place):
        nodes = [slot for slot, key in self.keys.items() if key == "nodeID"]
        if not any(place.opens(key) for key in ("nodeID", FRESH)):
            raise Lost("neither the former nor the new name's key opens the volume")
        if place.record()[1]["volume"] not in ("u-data", "u-fresh"):
            raise Lost(f"the record names {place.record()[1]['volume']}")
        self.declare(place)
        converge(place, None, "u-fresh")
        no_orphans(place, self.keys)
        for slot in nodes:
            if not place.opens(FRESH, slot) or place.opens("nodeID", slot):
                raise Lost(f"slot {slot} is not opened by the new name's key alone")
        if place.record()[1]["volume"] != "u-fresh":
            raise Lost("the record has the former name")
        if place.pins() != ["u-fresh"]:
            raise Lost(f"the machine remembers {place.pins()}")


class RenameBack(Rename):
    """The document has its old name again before the next sync."""

    def judge(self, place):
        place.declare(self.keys)
        if place.record()[1]["volume"] == "u-data" and not any(
                place.opens("nodeID", slot) for slot in range(32)):
            return  # the new key is in its spare slot, and the record does not know its name yet
        converge(place, None)
        no_orphans(place, self.keys)
        for slot, key in self.keys.items():
            if not place.opens(key, slot):
                raise Lost(f"slot {slot} is not opened by {key}")


def without_mark(place):
    """The record as an earlier version wrote it."""
    number, record = place.record()
    del record["machine"]
    token = place.folder / "token"
    token.write_text(json.dumps(record), encoding="ascii")
    place.cryptsetup_must("token", "import", "--token-id", str(number), "--token-replace",
                          "--json-file", str(token), str(place.image))
    token.unlink()


class Mark(Scenario):
    """The record of an earlier version says from now on which machine it is of."""

    def __init__(self):
        super().__init__("mark the record of an earlier version", ("sync",))
        self.keys = {**NODE, 1: "one"}

    def prepare(self, place):
        adopt(place, self.keys)
        without_mark(place)

    def run(self, place, environment=None):
        place.declare(self.keys)
        return super().run(place, environment)

    def judge(self, place):
        for slot, key in self.keys.items():
            if not place.opens(key, slot):
                raise Lost(f"slot {slot} is not opened by {key}")
        converge(place, None)
        no_orphans(place, self.keys)
        mark = place.record()[1].get("machine", "")
        pin = json.loads((place.root / "etc/volumecrypt/state/pins/u-data.json").read_text(encoding="ascii"))
        if len(mark) != 64 or pin.get("machine") != mark:
            raise Lost(f"the record's mark is {mark}, the pin is {pin}")


class Moved(Scenario):
    """A disk of another machine, whose nodeID key and declared keys are others."""

    def __init__(self, name, verb):
        super().__init__(name, verb)
        self.before = {**NODE, 1: "one", 2: "two"}
        self.after = {**NODE, 1: "one", 3: "three"}

    def prepare(self, place):
        adopt(place, self.before)
        shutil.rmtree(place.root / "etc")
        place.set_uuid(OTHER_UUID)

    def run(self, place, environment=None):
        place.declare(self.after)
        return super().run(place, environment)

    def must_open(self, place, keys):
        for slot, key in keys.items():
            if not place.opens(key, slot):
                raise Lost(f"slot {slot} is not opened by {key}")

    def judge(self, place):
        place.declare(self.after)
        self.must_open(place, self.before)
        steps = place.must("sync")["steps"]
        self.must_open(place, self.before)
        # What is half written may be the other machine's as well: then it waits for --adopt.
        deferred = {step["slot"] for step in steps if step["action"] == "defer"}
        if 3 not in deferred:
            self.must_open(place, {3: "three"})
        if place.must("sync")["changed"]:
            raise Lost("sync does not come to an end")
        place.must("sync", "--adopt")
        converge(place, None)
        no_orphans(place, self.after)
        self.must_open(place, {0: OTHER, 1: "one", 3: "three"})


class Adopt(Moved):
    """Somebody says that it is this machine's: whatever happens then, it stays so or is asked again."""

    def judge(self, place):
        place.declare(self.after)
        self.must_open(place, {1: "one"})
        place.must("sync", "--adopt")
        converge(place, None)
        no_orphans(place, self.after)
        self.must_open(place, {0: OTHER, 1: "one", 3: "three"})


class AdoptLater(Adopt):
    """The boot's sync comes first."""

    def judge(self, place):
        place.declare(self.after)
        self.must_open(place, {1: "one"})
        status, last = place.engine("sync")
        if status != 0:
            raise Lost(f"sync ends with {status}: {last}")
        super().judge(place)


def moved_scenarios():
    return [
        Rename("rename, one key", NODE),
        Rename("rename, two nodeID keys and another", {**NODE, 1: "one", 4: "nodeID"}),
        RenameBack("rename, and back", {**NODE, 1: "one"}),
        Mark(),
        Moved("sync on another machine", ("sync",)),
        Adopt("adopt on another machine", ("sync", "--adopt")),
        AdoptLater("adopt on another machine, and a boot", ("sync", "--adopt")),
    ]
