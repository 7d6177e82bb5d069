#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A change of the volume key is cut at its writes (TAP). First what cryptsetup alone does when it is resumed after the
last of the data: it destroys it and says that all is well. Then that ours, from every state, ends with the same data."""
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import oracle  # pylint: disable=wrong-import-position
import tap  # pylint: disable=wrong-import-position
from run import points_of  # pylint: disable=wrong-import-position

BUILD = pathlib.Path(sys.argv[1])
LIBRARY, TOOL = BUILD / "tests/crash/libpower-cut.so", BUILD / "tests/support/reencryption-tool"
# The last chunk is short. Half of it is whole blocks of 4096 bytes: libcryptsetup relies on the disk to write a block as
# a whole, which on a file it takes to be that large.
OFFSET, SIZE = 2 << 20, (2 << 20) + (16 << 10)
CHEAP = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"]
WORD = b"old"


def make(folder):
    """A volume of three chunks, the last of them short; the digest of its data."""
    image = folder / "image"
    with open(image, "wb") as file:
        file.truncate(OFFSET + SIZE)
    subprocess.run(["cryptsetup", "--batch-mode", "luksFormat", "--type", "luks2", *CHEAP, "--luks2-metadata-size",
                    "16k", "--luks2-keyslots-size", "1m", "--offset", str(OFFSET // 512), "--sector-size", "512",
                    "--key-file", "-", str(image)], input=WORD, check=True, capture_output=True)
    with open(image, "r+b") as file:
        file.seek(OFFSET)
        file.write(os.urandom(SIZE))
    return oracle.digest(image, oracle.volume_key(image, WORD), OFFSET)


def traced(folder, *command):
    """Runs it on folder/place and gives the states that a cut could leave, those of a torn header too."""
    states = folder / "states"
    states.mkdir()
    subprocess.run([str(part) for part in command], input=WORD, check=True, capture_output=True, env={
        **os.environ, "LD_PRELOAD": str(LIBRARY), "CUT_SCOPE": str(folder / "place"),
        "CUT_SKIP": str(folder / "place/run"), "CUT_SNAPSHOTS": str(states), "ASAN_OPTIONS": "verify_asan_link_order=0"})
    return points_of(states)


def digest_of(image):
    key = oracle.volume_key(image, WORD)
    return oracle.digest(image, key, OFFSET) if key else None


def go(image, *more):
    return subprocess.run([str(TOOL), "go", str(image), "0", "3", *more], input=WORD, capture_output=True, check=False)


class Lab:
    def __init__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="volumecrypt-window-",
                                                   dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)

    def __enter__(self):
        self.folder = pathlib.Path(self._folder.__enter__())
        self.place = self.folder / "place"
        self.place.mkdir()
        self.image = self.place / "image"
        self.wanted = make(self.place)
        return self

    def __exit__(self, *all_of_it):
        return self._folder.__exit__(*all_of_it)

    def states(self, points):
        for state in dict.fromkeys(point.state for point in points):
            image = self.folder / "one"
            shutil.copy(self.folder / "states" / state / "image", image)
            yield state, image


def cryptsetup_destroys_it(lab):
    """cryptsetup alone, resumed in its final window, destroys the data with exit status 0; ours does not"""
    points = traced(lab.folder, "cryptsetup", "--batch-mode", "reencrypt", "--force-offline-reencrypt", "--resilience",
                    "checksum", "--hotzone-size", "1m", *CHEAP, "--key-file", "-", lab.image)
    assert digest_of(lab.image) == lab.wanted, "uninterrupted"
    destroyed, saved = 0, 0
    # The last chunk's commit and what follows it.
    for state, image in lab.states(points[-60:]):
        ours = lab.folder / "ours"
        shutil.copy(image, ours)
        done = subprocess.run(["cryptsetup", "--batch-mode", "reencrypt", "--force-offline-reencrypt", "--resume-only",
                               "--key-file", "-", str(image)], input=WORD, capture_output=True, check=False)
        if done.returncode != 0 or digest_of(image) == lab.wanted:
            continue
        destroyed += 1
        # cryptsetup put the new key into slot 1.
        ended = subprocess.run([str(TOOL), "go", str(ours), "0", "1"], input=WORD, capture_output=True, check=False)
        assert ended.returncode == 0, (state, ended.stderr)
        assert digest_of(ours) == lab.wanted, state
        saved += 1
    print(f"# {destroyed} states destroyed by cryptsetup, {saved} of them saved by ours")
    # Where this fails because nothing is destroyed any more, libcryptsetup was repaired: then ours is still right.
    assert destroyed >= 1


def ours_survives(lab):
    """Ours goes on from every state of its own, twice interrupted, and the data is the same"""
    subprocess.run([str(TOOL), "begin", str(lab.image), "0", "3"], input=WORD, check=True, capture_output=True)
    points = traced(lab.folder, TOOL, "go", lab.image, "0", "3")
    assert digest_of(lab.image) == lab.wanted, "uninterrupted"
    tried = 0
    for state, image in lab.states(points):
        first = go(image, "1")
        assert first.returncode == 0, (state, first.stderr)
        ended = go(image)
        assert ended.returncode == 0, (state, ended.stderr)
        assert digest_of(image) == lab.wanted, state
        header = subprocess.run(["cryptsetup", "luksDump", str(image)], capture_output=True, text=True, check=True)
        assert "online-reencrypt" not in header.stdout and header.stdout.count(": luks2") == 1, state
        tried += 1
    print(f"# {len(points)} points, {tried} states, 0 lost")


SHIFT, PLAIN = 2 << 20, 4 << 20  # of an encryption in place; the bytes before it, with as much behind


def encryption_survives(lab):
    """An encryption in place that was cut off goes on from every state, and leaves nothing in the clear"""
    plain = os.urandom(PLAIN)
    lab.image.write_bytes(plain + b"\1" * 2 * SHIFT)
    subprocess.run(["cryptsetup", "--batch-mode", "reencrypt", "--encrypt", "--init-only", "--reduce-device-size",
                    str(2 * SHIFT), "--luks2-metadata-size", "16k", "--luks2-keyslots-size", "1m", *CHEAP,
                    "--force-offline-reencrypt", "--key-file", "-", str(lab.image)], input=WORD, check=True,
                   capture_output=True)
    points = traced(lab.folder, TOOL, "go", lab.image, "-", "0")
    wanted = hashlib.sha256(plain).hexdigest()
    for state, image in [("uninterrupted", lab.image), *lab.states(points)]:
        for more in (["1"], []):
            done = subprocess.run([str(TOOL), "go", str(image), "-", "0", *more], input=WORD, capture_output=True,
                                  check=False)
            assert done.returncode == 0, (state, done.stderr)
        assert oracle.digest(image, oracle.volume_key(image, WORD), SHIFT, PLAIN) == wanted, state
        # Where the first segment waited.
        assert plain[:4096] not in image.read_bytes(), state
    print(f"# {len(points)} points, 0 lost")


if __name__ == "__main__":
    tap.run([cryptsetup_destroys_it, ours_survives, encryption_survives], Lab)
