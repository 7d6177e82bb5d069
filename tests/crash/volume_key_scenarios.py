# SPDX-License-Identifier: Apache-2.0
"""A new volume key: the data is the same at whatever write the power goes, and every key opens it."""
import os

import oracle
from place import Lost, passphrase_of
from scenarios import Scenario, no_orphans

KEYS = {0: "nodeID", 1: "one"}
DATA = 16 << 20


class NewVolumeKey(Scenario):
    """Two chunks of data. Killed, the same command goes on; nothing else may change the keys meanwhile."""

    def __init__(self, name, foreign=False):
        super().__init__(name, ("reencrypt",), secret="foreign" if foreign else None)
        self.keys = {**KEYS, **({5: "foreign"} if foreign else {})}
        self.data = self.volume_key = None

    def prepare(self, place):
        place.clear()
        os.truncate(place.image, DATA + (2 << 20))
        place.luks_format(1, "one")
        place.declare(KEYS)
        place.must("sync")
        if 5 in self.keys:
            place.add_foreign(5, "foreign", "one")
        with open(place.image, "r+b") as image:
            image.seek(DATA)
            image.write(os.urandom(2 << 20))
        self.volume_key = self.key_of(place)
        self.data = self.digest(place)

    def run(self, place, environment=None):
        place.declare(KEYS)
        return super().run(place, environment)

    @staticmethod
    def key_of(place, slot=None, key="one"):
        return oracle.volume_key(place.image, passphrase_of(key).encode("latin-1"), slot)

    def digest(self, place):
        return oracle.digest(place.image, self.key_of(place), DATA,
                             sector=place.header()["segments"]["0"]["sector_size"])

    def judge(self, place):
        place.declare(KEYS)
        job = place.record()[1].get("job")
        if job:
            before = place.image.read_bytes()
            status, last = place.engine("sync")
            if status == 0 or last["code"] != "Busy" or place.image.read_bytes() != before:
                raise Lost(f"a sync during the change ends with {status}: {last}")
            place.must("reencrypt", secret=self.secret)
        if self.digest(place) != self.data:
            raise Lost("the data is another")
        place.must("sync")
        status, last = place.engine("plan")
        if status != 0:
            raise Lost(f"afterwards the plan is: {last}")
        no_orphans(place, self.keys)
        if "job" in place.record()[1]:
            raise Lost("the record still names the change")
        found = {self.key_of(place, slot, key) for slot, key in self.keys.items()}
        if len(found) != 1 or None in found:
            raise Lost("not every key opens the volume with one volume key")
        if job and found == {self.volume_key}:
            raise Lost("the volume key is still the old one")
        pin = (place.root / "etc/volumecrypt/state/pins/u-data.json").read_text()
        if "next" in pin:
            raise Lost("the pin still knows the volume by two keys")


def volume_key_scenarios():
    return [NewVolumeKey("a new volume key"),
            NewVolumeKey("a new volume key, with somebody else's key given", foreign=True)]
