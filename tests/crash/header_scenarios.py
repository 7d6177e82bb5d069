# SPDX-License-Identifier: Apache-2.0
"""A header backup is restored, and the power goes: one header or the other is whole, on the device or in what is kept
beside it, and whoever comes next ends with one of them on the device."""
import luks
from place import Lost, passphrase_of
from scenarios import NODE, Scenario, converge, no_orphans

# Four key slots have room: what is added takes the place of what was removed.
SMALL = ("--luks2-keyslots-size", "1m")
METADATA = 128 << 10


class RestoreHeader(Scenario):
    """The backup has the keys `then`, the device those of `now`."""
    others = ()  # slots of somebody else

    def __init__(self, name, then, now, secret=None, touched=False):
        super().__init__(f"restore-header, {name}", ("restore-header",), secret)
        self.then, self.now, self.touched = then, now, touched
        self.backup = b""

    def prepare(self, place):
        place.clear()
        slot, key = next(iter(self.then.items()))
        place.luks_format(slot, key, *SMALL)
        place.declare(self.then)
        place.must("sync")
        self.backup = self.header_of(place)
        place.declare(self.now)
        place.must("sync", secret=passphrase_of(key))

    @staticmethod
    def header_of(place):
        file = place.folder / "backup"
        place.cryptsetup_must("luksHeaderBackup", str(place.image), "--header-backup-file", str(file))
        backup = file.read_bytes()
        file.unlink()
        return backup

    def run(self, place, environment=None):
        place.declare(self.now)
        return self.restore(place, environment)

    def restore(self, place, environment=None):
        return place.engine(*self.verb, secret=self.secret, header=self.backup, environment=environment)

    @staticmethod
    def opens_all(place, keys):
        return all(place.opens(key, slot) for slot, key in keys.items())

    def header_is_somewhere(self, place):
        """All keys of one of the headers open it, wherever it is."""
        for file in place.kept_headers():
            try:
                with luks.Volume(file) as header:
                    for keys in (self.then, self.now):
                        if all(header.opens(passphrase_of(key).encode(), slot) for slot, key in keys.items()):
                            return
            except OSError:
                pass  # half of a file: the power went while it was written
        if not self.opens_all(place, self.now) and not self.opens_all(place, self.then):
            raise Lost("neither the device nor what is kept beside it has a whole header")

    def judge(self, place):
        self.header_is_somewhere(place)
        if self.touched:
            place.opens("nobody's")  # cryptsetup mends a copy that it finds damaged
        self.settled(place)
        status, last = self.restore(place)
        if status != 0:
            raise Lost(f"restore-header ends with {status}: {last}")
        self.restored(place)

    def settled(self, place):
        """Whatever comes next has one header, and not a mixture."""
        place.must("backup-header", header=b"")
        if not self.opens_all(place, self.now) and not self.opens_all(place, self.then):
            raise Lost("some keys of the old and some of the new header open it")

    def restored(self, place):
        if not self.opens_all(place, self.then):
            raise Lost("a key of the backup does not open the volume")
        if self.header_of(place) != self.backup:
            raise Lost("the header is not that of the backup")
        if place.kept_headers():
            raise Lost(f"kept: {place.kept_headers()}")
        place.declare(self.now)
        converge(place, passphrase_of(next(iter(self.then.values()))))
        no_orphans(place, self.now, self.others)
        if not self.opens_all(place, self.now):
            raise Lost("a declared key does not open the volume")


class SameSequence(RestoreHeader):
    """The backup is of another history of the volume, with as many changes: its copies and those on the device have
    the same number, and differ."""
    others = (2,)

    def prepare(self, place):
        super().prepare(place)
        here = place.image.read_bytes()
        place.add_foreign(2, "there", "one")
        self.backup = self.header_of(place)
        place.image.write_bytes(here)
        place.add_foreign(2, "here", "one")


class Damaged(RestoreHeader):
    """Neither copy of the header on the device is whole."""

    def prepare(self, place):
        super().prepare(place)
        with open(place.image, "r+b") as image:
            for at in (4096 + 100, METADATA + 4096 + 100):
                image.seek(at)
                image.write(b"damaged")

    def header_is_somewhere(self, place):
        """It was nowhere before."""

    def settled(self, place):
        status, last = place.engine("backup-header", header=b"")
        if status == 0 and not self.opens_all(place, self.then):
            raise Lost("a mixture")
        if status != 0 and last["code"] != "HeaderCorrupt":
            raise Lost(f"backup-header ends with {status}: {last}")


class Finished(RestoreHeader):
    """The power went when the areas and one copy were written; whoever finishes that is interrupted as well."""

    def prepare(self, place):
        super().prepare(place)
        kept = place.root / "etc/volumecrypt/state/backups"
        kept.mkdir(mode=0o700)
        (kept / "u-data.restore").write_bytes(self.header_of(place))
        (kept / "u-data.restored").write_bytes(self.backup)
        with open(place.image, "r+b") as image:
            image.seek(METADATA)
            image.write(self.backup[METADATA:2 * METADATA])

    def run(self, place, environment=None):
        place.declare(self.now)
        return place.engine("backup-header", header=b"", environment=environment)

    def judge(self, place):
        self.header_is_somewhere(place)
        self.settled(place)
        self.restored(place)


def header_scenarios():
    one = {**NODE, 1: "one"}
    return [
        RestoreHeader("nothing to do", one, one),
        RestoreHeader("one key was changed", one, {**NODE, 1: "two"}),
        RestoreHeader("every key was changed, and cryptsetup looks at it", {0: "zero", 1: "one"},
                      {0: "two", 1: "three"}, secret="one", touched=True),
        Finished("the power goes once more", {0: "zero", 1: "one"}, {0: "two", 1: "three"}, secret="one"),
        SameSequence("the same sequence number", one, one),
        Damaged("both copies are damaged", one, {**NODE, 1: "two"}),
    ]
