#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Keeps volumes as this version's programs make them, for the versions after it: tests/data/VERSION.
usage: make.py BUILD [OUT]"""
import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))
from packed_volume import pack  # noqa: E402  pylint: disable=wrong-import-position
from place import UUID, Lost, Place  # noqa: E402  pylint: disable=wrong-import-position
from site_kms import SiteKms  # noqa: E402  pylint: disable=wrong-import-position
from software_tpm import Swtpm  # noqa: E402  pylint: disable=wrong-import-position

RECOVERY = "cbdefghi-jklnrtuv-cbdefghi-jklnrtuv-cbdefghi-jklnrtuv-cbdefghi-jklnrtuv"
ONE, TWO, NODE = "static: {passphrase: one}", "static: {passphrase: two}", "nodeID: {}"
HEAD = "apiVersion: v1alpha1\nkind: {kind}\nname: {name}\nvolume: {{device: {image}{more}}}\n"
LOCK = ", lockToState: true"
# Of its own: another volume may be locked to it.
STATE = "---\napiVersion: v1alpha1\nkind: VolumeConfig\nname: STATE\nencryption: {keys: [{slot: 0, nodeID: {}}]}\n"


class Workshop(Place):
    """A place with one volume, all of whose slots can be packed."""

    def __init__(self, build, folder):
        super().__init__(build / "src/engine/volumecrypt-engine", folder)
        self.build, self.volume = build, "u-data"
        self.clear()
        self.derived_file = pathlib.Path(f"{folder}.keys")

    def engine(self, verb, *options, environment=None, **more):
        environment = dict(environment or {})
        preloaded = [str(self.build / "tests/data/libpackable-slots.so"), environment.get("LD_PRELOAD", "")]
        environment |= {"LD_PRELOAD": ":".join(filter(None, preloaded)), "DERIVED_KEYS": str(self.derived_file)}
        options = [*options, "--kms-helper", str(self.build / "src/kms/volumecrypt-kms")]
        return super().engine(verb, *options, environment=environment, volume=self.volume, **more)

    def describe(self, keys, kind="UserVolumeConfig", name="data", more="", after=""):
        """Writes the configuration; a key is the YAML of its kind."""
        self.volume = {"UserVolumeConfig": "u-", "RawVolumeConfig": "r-", "SwapVolumeConfig": "s-"}.get(kind, "") + name
        text = HEAD.format(kind=kind, name=name, image=self.image, more=more) 
        text += "filesystem: {type: ext4}\n" if kind in ("UserVolumeConfig", "VolumeConfig") else ""
        text += "encryption:\n  keys:\n"
        text += "".join(f"    - {{slot: {slot}, {key}}}\n" for slot, key in keys.items()) + after
        path = self.config / "volumes.yaml"
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)

    def make(self, keys, **more):
        """A volume in use with these keys. Only an attach with a device mapper would say of what it has formatted
        that it is in use; sync says so of a volume that has no record."""
        first = next(iter(keys))
        self.describe({first: keys[first]}, **more)
        self.must("format")
        self.cryptsetup_must("token", "remove", "--token-id", str(self.record()[0]), str(self.image))
        self.must("sync")
        self.describe(keys, **more)
        self.must("sync")

    def add(self, key, *options):
        return self.must("add-key", *options, secret=key)["slot"]

    def cut(self, verb, reached):
        """Takes the power away where `reached` says that it is far enough."""
        before = self.image.read_bytes()
        for number in range(1, 1000):
            self.image.write_bytes(before)
            status, _ = self.engine(verb, environment={
                "LD_PRELOAD": str(self.build / "tests/crash/libpower-cut.so"), "CUT_SCOPE": str(self.image),
                "CUT_AT": str(number), "CUT_MODE": "kill"})
            if status >= 0:
                break
            if reached():
                return
        raise Lost(f"{verb} is never where it was to be interrupted")

    def keep(self, target, passphrases, **facts):
        """`passphrases`: of the slots, as cryptsetup takes them."""
        derived = {bytes.fromhex(line) for line in self.derived_file.read_text(encoding="ascii").split()}
        pack(self, target, {"volume": self.volume, "passphrases": passphrases, "inspect": self.must("inspect"),
                            **facts}, derived)


def passphrases(place):
    """declared passphrases, nodeID, an added passphrase and a recovery key"""
    place.make({0: ONE, 1: NODE})
    added, recovery = place.add("added"), place.add(RECOVERY, "--kind", "recovery")
    return {"passphrases": {0: "one", 1: UUID + "u-data", added: "added", recovery: RECOVERY},
            "added": {added: "added", recovery: RECOVERY}}


def locked(place):
    """a key that is locked to STATE, with its salt and the copy of the pin there"""
    (place.root / "system/state").mkdir(parents=True)
    place.make({1: ONE, 0: TWO + LOCK}, after=STATE)
    return {"passphrases": {1: "one"}}


def sealed_by_tpm(place):
    """a tpm key, its TPM beside it"""
    (place.folder / "tpm").mkdir()
    tpm = Swtpm(place.folder / "tpm")
    place.make({1: ONE, 0: f'tpm: {{options: {{pcrs: [7]}}, tcti: "{tpm.tcti}"}}'})
    tpm.stop()
    return {"passphrases": {1: "one"}}


def sealed_by_kms(place):
    """a kms key; its KMS has one key for all"""
    with SiteKms(place.build, place.folder) as kms:
        place.make({1: ONE, 0: f'kms: {{endpoint: "{kms.endpoint}"}}'})
    return {"passphrases": {1: "one"}}


def raw(place):
    """a raw volume"""
    place.make({0: NODE}, kind="RawVolumeConfig")
    return {"passphrases": {0: UUID + "r-data"}}


def swap(place):
    """a swap volume"""
    place.make({0: NODE}, kind="SwapVolumeConfig")
    return {"passphrases": {0: UUID + "s-data"}}


def state(place):
    """STATE, and META that says how it is encrypted"""
    meta = place.folder / "meta"
    with open(meta, "wb") as file:
        file.truncate(1 << 20)
    place.make({0: NODE, 1: ONE}, kind="VolumeConfig", name="STATE", more=f", meta: {meta}")
    return {"passphrases": {0: UUID + "STATE", 1: "one"}}


def not_filled(place):
    """a volume whose file system is still to be made"""
    place.describe({0: ONE})
    place.must("format")
    return {"passphrases": {0: "one"}}


def half_done(place):
    """a key that is being replaced, by way of a spare slot"""
    place.make({0: NODE, 1: ONE})
    place.describe({0: NODE, 1: TWO})
    place.cut("sync", lambda: len(place.header()["keyslots"]) == 3)
    return {"passphrases": {0: UUID + "u-data", 1: "one"}, "settled": {0: UUID + "u-data", 1: "two"}}


def half_formatted(place):
    """a format that was interrupted"""
    place.describe({0: ONE})
    place.cut("format", lambda: place.image.read_bytes().startswith(b"VOLUMECRYPT-FORMATTING"))
    return {"passphrases": {}, "formatted": {0: "one"}}


CASES = [passphrases, locked, sealed_by_tpm, sealed_by_kms, raw, swap, state, not_filled, half_done, half_formatted]


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    engine = build / "src/engine/volumecrypt-engine"
    said = subprocess.run([engine, "--version"], check=True, capture_output=True, text=True).stdout
    out = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else HERE / said.split()[-1]
    # What a release left is never made again.
    if out.exists():
        sys.exit(f"{out} is there already")
    os.umask(0o077)
    with tempfile.TemporaryDirectory(prefix="volumecrypt-") as folder:
        for case in CASES:
            name = case.__name__.replace("_", "-")
            place = Workshop(build, pathlib.Path(folder) / name)
            facts = case(place)
            place.keep(out / name, what=case.__doc__, **facts)
            print(f"{name}: {sum(file.stat().st_size for file in (out / name).iterdir())} bytes")


if __name__ == "__main__":
    main()
