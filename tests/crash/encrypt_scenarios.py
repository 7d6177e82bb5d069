# SPDX-License-Identifier: Apache-2.0
"""A plain file system becomes an encrypted volume where it is. Wherever it was interrupted, either the file system is
as it was, to the bit, or the same command goes on; and what comes out at the end is decrypted without libcryptsetup."""
import random
import shutil
import subprocess

import oracle
from place import Lost
from scenarios import Scenario

MIB = 1 << 20
MARKER = b"VOLUMECRYPT-ENCRYPTING"
# In the clear it must not be found any more.
NEEDLE = b"what nobody else may read, and that is in the first segment"


def run(*command):
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise Lost(f"{' '.join(map(str, command))} ends with {done.returncode}: {done.stdout}{done.stderr}")


class Encrypt(Scenario):
    """`size` of the device and of the file system on it, in bytes; what mkfs.ext4 is told beside. Of what was begun each
    `every`th state is brought to its end."""

    def __init__(self, name, size, content, options=(), every=1):
        super().__init__(name, ("encrypt",))
        self.size, self.content, self.options, self.every = size, content, options, every
        self.keys = {0: "nodeID", 1: "one"}
        self.files, self.plain, self.judged = {}, b"", 0
        self.shrinks = content > size - 32 * MIB

    def prepare(self, place):
        place.clear()
        tree = place.folder / "tree"
        tree.mkdir()
        source = random.Random(self.name)
        self.files = {f"file{number}": source.randbytes(source.randrange(200_000)) for number in range(24)}
        self.files["needle"] = NEEDLE
        for name, content in self.files.items():
            (tree / name).write_bytes(content)
        with open(place.image, "wb") as image:
            image.truncate(self.size)
        run("mkfs.ext4", "-q", *self.options, "-d", tree, place.image, f"{self.content // 1024}k")
        shutil.rmtree(tree)
        self.plain = place.image.read_bytes()
        at = self.plain.find(NEEDLE)
        if not 0 <= at < 16 * MIB:
            raise Lost(f"the needle is at {at}")

    def run(self, place, environment=None):
        place.declare(self.keys)
        return super().run(place, environment)

    def judge(self, place):
        place.declare(self.keys)
        begin = place.image.read_bytes()[:self.content]
        begun = begin.startswith((MARKER, b"LUKS\xba\xbe"))
        if not begun:
            self.judge_plain(place, begin)
        self.judged += 1
        if self.judged % (self.every if begun else 4):
            return
        place.must("encrypt")
        self.judge_encrypted(place)

    def judge_plain(self, place, begin):
        if begin != self.plain[:self.content] and not self.shrinks:
            raise Lost("the file system is not as it was")
        run("e2fsck", "-f", "-n", place.image)
        if self.shrinks:
            self.judge_files(place, place.image)

    def judge_files(self, place, image):
        found = place.folder / "found"
        found.mkdir()
        run("debugfs", "-R", f"rdump / {found}", image)
        for name, content in self.files.items():
            if (found / name).read_bytes() != content:
                raise Lost(f"{name} is not as it was")
        shutil.rmtree(found)

    def judge_encrypted(self, place):
        if place.must("encrypt")["changed"]:
            raise Lost("it does not come to an end")
        for slot, key in self.keys.items():
            if not place.opens(key, slot):
                raise Lost(f"slot {slot} is not opened by {key}")
        header = place.header()
        if "requirements" in header["config"] or list(header["segments"]) != ["0"] or place.pins() != ["u-data"]:
            raise Lost(f"the header or the pin is not that of a volume: {header['segments']}, {header['config']}")
        if "job" in place.record()[1]:
            raise Lost("the record still names the job")
        self.judge_data(place, header["segments"]["0"])

    def judge_data(self, place, segment):
        image = place.image.read_bytes()
        if NEEDLE in image:
            raise Lost("there are remains in the clear")
        offset = int(segment["offset"])
        key = oracle.volume_key(place.image, b"one", 1)
        data = oracle.decrypted(image[offset:offset + self.content], key, segment["sector_size"])
        if self.shrinks:
            plain = place.folder / "plain"
            plain.write_bytes(data)
            run("e2fsck", "-f", "-n", plain)
            self.judge_files(place, plain)
            plain.unlink()
        elif data != self.plain[:self.content]:
            raise Lost("what is decrypted is not what was there")


def encrypt_scenarios():
    return [
        Encrypt("encrypt in place", 50 * MIB, 18 * MIB, ("-b", "4096")),
        # In sectors of 512 bytes, and neither whole MiB nor whole segments.
        Encrypt("encrypt in place, after making room", 50 * MIB + 3 * 4096, 50 * MIB, ("-b", "1024", "-N", "256"), every=6),
    ]
