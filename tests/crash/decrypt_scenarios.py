# SPDX-License-Identifier: Apache-2.0
"""An encrypted volume becomes a plain file system where it is. Wherever it was interrupted, either it is the volume
that it was, to the bit, or nothing takes it for a file system and the same command goes on to the same data."""
import random
import shutil

import oracle
from encrypt_scenarios import run
from place import CHEAP, Lost
from scenarios import Scenario

MIB = 1 << 20
MARKER = b"VOLUMECRYPT-DECRYPTING"
WORD = "one"
PLAIN = """\
apiVersion: v1alpha1
kind: UserVolumeConfig
name: data
volume: {{device: {image}}}
filesystem: {{type: ext4}}
"""


def declare_plain(place):
    path = place.config / "volumes.yaml"
    path.write_text(PLAIN.format(image=place.image), encoding="utf-8")
    path.chmod(0o600)


class Decrypt(Scenario):
    """`offset` and `content`: how large header and file system are, in bytes."""

    def __init__(self, name, offset, content, sector_size, options=()):
        super().__init__(name, ("decrypt",), WORD)
        self.offset, self.content, self.sector_size, self.options = offset, content, sector_size, options
        self.length = -(-content // 4096) * 4096
        # Header, data, and the tail: as little as goes.
        self.size = offset + self.length + offset + 4 * MIB
        self.plain, self.image, self.key_material = b"", b"", b""
        self.random = random.Random(name)

    def make_plain(self, place):
        tree, file = place.folder / "tree", place.folder / "plain"
        tree.mkdir()
        for number in range(12):
            (tree / f"file{number}").write_bytes(self.random.randbytes(self.random.randrange(self.content // 24)))
        with open(file, "wb") as image:
            image.truncate(self.content)
        run("mkfs.ext4", "-q", *self.options, "-d", tree, file, f"{self.content // 1024}k")
        shutil.rmtree(tree)
        self.plain = file.read_bytes()
        file.unlink()

    def prepare(self, place):
        place.clear()
        with open(place.image, "wb") as image:
            image.truncate(self.size)
        place.cryptsetup_must("luksFormat", "--type", "luks2", *CHEAP, "--key-slot", "0", "--key-file", "-",
                              "--luks2-metadata-size", "16k", "--luks2-keyslots-size", "768k", "--offset",
                              str(self.offset // 512), "--sector-size", str(self.sector_size), str(place.image),
                              stdin=WORD)
        place.declare({0: WORD})
        place.must("sync")
        self.make_plain(place)
        key = oracle.volume_key(place.image, WORD.encode())
        data = self.plain.ljust(self.length, b"\0")
        with open(place.image, "r+b") as image:
            image.seek(self.offset)
            image.write(oracle.encrypted(data, key, self.sector_size))
        declare_plain(place)
        self.image = place.image.read_bytes()
        # Of the one key slot.
        self.key_material = self.image[32768 + 4096:][:64]

    def run(self, place, environment=None):
        declare_plain(place)
        return super().run(place, environment)

    def judge(self, place):
        declare_plain(place)
        found = place.image.read_bytes()
        if found.startswith(b"LUKS"):
            self.judge_untouched(place, found)
        elif found.startswith(MARKER):
            self.judge_begun(place, found)
        self.go_on(place)
        self.judge_decrypted(place)

    def judge_untouched(self, place, found):
        if found[:self.offset + self.length] != self.image[:self.offset + self.length]:
            raise Lost("the volume is not as it was")
        if not place.opens(WORD):
            raise Lost("the volume does not open any more")
        if place.pins() != ["u-data"]:
            raise Lost("the volume is not remembered any more")

    def judge_begun(self, place, found):
        """Nobody may take it for blank, or for a file system."""
        status, last = place.engine("attach")
        if status == 0 or last["code"] != "HeaderRefused":
            raise Lost(f"attach ends with {status}: {last}")
        state = place.must("inspect")["state"]
        if state != "reencrypting":
            raise Lost(f"it is shown as {state}")
        if place.image.read_bytes() != found:
            raise Lost("attach or inspect wrote to it")

    def go_on(self, place):
        """Interrupted again, and again, where chance has it."""
        library = place.engine_path.parents[2] / "tests/crash/libpower-cut.so"
        for _ in range(2):
            place.engine("decrypt", secret=WORD, environment={
                "LD_PRELOAD": str(library), "CUT_SCOPE": str(place.folder), "CUT_SKIP": str(place.root / "run"),
                "CUT_AT": str(self.random.randrange(1, 40)), "CUT_MODE": self.random.choice(["kill", "torn", "lost"]),
                "ASAN_OPTIONS": "verify_asan_link_order=0"})
        place.must("decrypt", secret=WORD)

    def judge_decrypted(self, place):
        found = place.image.read_bytes()
        if found[:self.content] != self.plain:
            at = next(at for at in range(self.content) if found[at] != self.plain[at])
            raise Lost(f"the data is not what it was, first at {at}")
        # A record at the end may stay, where the very last write was cut off. It says nothing to anybody.
        if len(found) != self.size or MARKER in found or b"SKUL\xba\xbe" in found:
            raise Lost("something is left behind")
        if self.key_material in found:
            raise Lost("the key slot is still there")
        run("e2fsck", "-f", "-n", place.image)
        if place.must("decrypt")["changed"] or place.pins():
            raise Lost("it does not come to an end, or is still remembered")
        if place.must("attach")["state"] != "plain":
            raise Lost("it cannot be attached")


def decrypt_scenarios():
    return [
        Decrypt("decrypt in place", MIB, 4 * MIB, 512),
        # A file system that is not whole pages, and sectors of 4096 bytes.
        Decrypt("decrypt in place, large sectors", MIB + 4096, 3 * MIB + 1024, 4096, ("-b", "1024")),
    ]
