#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What earlier versions made is read as it was, opened by each of its keys, and left as it is (TAP).
usage: test_older_volumes.py BUILD WITH_KMS_SERVER"""
import contextlib
import pathlib
import re
import sys
import tempfile

SUPPORT = pathlib.Path(__file__).parents[1] / "support"
sys.path[:0] = [str(SUPPORT), str(SUPPORT.parent)]
from packed_volume import KEPT, releases, unpack  # noqa: E402  pylint: disable=wrong-import-position
from place import Place  # noqa: E402  pylint: disable=wrong-import-position
from site_kms import SiteKms  # noqa: E402  pylint: disable=wrong-import-position
from software_tpm import Swtpm  # noqa: E402  pylint: disable=wrong-import-position
from support.tap import equal, holds, run  # noqa: E402

BUILD, WITH_KMS = pathlib.Path(sys.argv[1]), sys.argv[2] == "true"
NOBODYS = "    - {slot: 20, static: {passphrase: nobody's}}\n"
KEY = re.compile(r"^    - \{slot: (\d+), .*\}$", re.MULTILINE)


class Older(Place):
    """A volume of an earlier version, its TPM or KMS at work."""

    def __init__(self, source, folder):
        super().__init__(BUILD / "src/engine/volumecrypt-engine", folder)
        self.facts = unpack(source, self)
        self.services = contextlib.ExitStack()

    def __enter__(self):
        if (self.folder / "tpm").exists():
            tpm = Swtpm(self.folder / "tpm")
            self.services.callback(tpm.stop)
        if "grpc://" in self.yaml():
            self.services.enter_context(SiteKms(BUILD, self.folder))
        return self

    def __exit__(self, *_):
        self.services.close()

    def engine(self, verb, *options, volume=None, **more):
        return super().engine(verb, *options, "--kms-helper", str(BUILD / "src/kms/volumecrypt-kms"),
                              volume=volume or self.facts["volume"], **more)

    def yaml(self):
        return (self.config / "volumes.yaml").read_text(encoding="utf-8")

    def declared(self):
        return [int(slot) for slot in KEY.findall(self.yaml())]

    @contextlib.contextmanager
    def only(self, slot):
        """Of the declared keys only this one is known; with None one that opens nothing."""
        before = self.yaml()
        text = KEY.sub(lambda key: key[0] if slot == int(key[1]) else f"    - {{slot: {key[1]}, unmanaged: {{}}}}",
                       before)
        if slot is None:
            text = text.replace("  keys:\n", "  keys:\n" + NOBODYS)
        (self.config / "volumes.yaml").write_text(text, encoding="utf-8")
        yield
        (self.config / "volumes.yaml").write_text(before, encoding="utf-8")

    def bytes(self):
        """Everything that a machine keeps of the volume."""
        kept = {path.name: path.read_bytes() for path in self.folder.iterdir() if path.name in ("image", "meta")}
        for name in KEPT:
            for path in (self.root / name).rglob("*"):
                if path.is_file():
                    kept[str(path)] = path.read_bytes()
        return kept

    def unchanged(self, before):
        after = self.bytes()
        equal(sorted(after), sorted(before))
        equal([name for name in before if before[name] != after[name]], [])


def says_at_least(got, wanted, where="inspect"):
    """Members that a later version has besides are its own affair."""
    if isinstance(wanted, dict):
        for name, value in wanted.items():
            assert name in got, f"{where} has no {name}"
            says_at_least(got[name], value, f"{where}.{name}")
    elif isinstance(wanted, list):
        equal((where, len(got)), (where, len(wanted)))
        for number, value in enumerate(wanted):
            says_at_least(got[number], value, f"{where}[{number}]")
    else:
        equal((where, got), (where, wanted))


def opened_by(older, passphrases):
    """cryptsetup reads the header, and each passphrase opens its slot."""
    slots = {int(slot) for slot in older.header()["keyslots"]}
    for slot, passphrase in passphrases.items():
        assert int(slot) in slots, f"slot {slot} is gone"
        assert older.opens("nodeID:" + passphrase, int(slot)), f"slot {slot} is not opened by its key"


def engine_opens(older):
    """With each key that is declared, alone; and with each that was added."""
    for slot in older.declared():
        with older.only(slot):
            _, last = older.engine("plan")
            holds(last.get("keys", []), {"slot": slot, "health": "ok"})
    for slot, passphrase in older.facts.get("added", {}).items():
        with older.only(None):
            status, last = older.engine("plan", secret=passphrase)
            assert status in (0, 2), f"slot {slot}: {last}"
            equal(older.engine("plan")[1].get("code"), "NoUsableKey")


def nothing_to_do(older):
    status, last = older.engine("plan")
    equal((status, [step for step in last.get("steps", [last]) if step.get("action") != "keep"]), (0, []))
    for options in ((), ("--verify",)):
        equal(older.must("sync", *options)["changed"], False)


def settles(older):
    """The change that an earlier version began is finished or taken back, and nothing is left of it."""
    opened_by(older, older.facts["passphrases"])
    equal(older.engine("plan")[0], 2)
    equal(older.must("sync")["changed"], True)
    equal(older.record()[1]["pending"], None)
    equal({int(slot) for slot in older.header()["keyslots"]}, {int(slot) for slot in older.facts["settled"]})
    opened_by(older, older.facts["settled"])


def formats(older):
    """The format that an earlier version began is begun again."""
    older.must("format")
    opened_by(older, older.facts["formatted"])


def by_meta_alone(older):
    """STATE opens as META says."""
    before = older.yaml()
    (older.config / "volumes.yaml").write_text(before[:before.index("encryption:")], encoding="utf-8")
    equal([step["action"] for step in older.must("plan")["steps"]], ["keep"] * len(KEY.findall(before)))
    (older.config / "volumes.yaml").write_text(before, encoding="utf-8")


def check(source):
    with tempfile.TemporaryDirectory(prefix="volumecrypt-") as folder, Older(source, folder + "/v") as older:
        says_at_least(older.must("inspect"), older.facts["inspect"])
        if "formatted" in older.facts:
            return formats(older)
        if "settled" in older.facts:
            settles(older)
        else:
            opened_by(older, older.facts["passphrases"])
        before = older.bytes()
        engine_opens(older)
        nothing_to_do(older)
        if (older.folder / "meta").exists():
            by_meta_alone(older)
        older.unchanged(before)
    return None


def cases():
    for release in releases():
        for source in sorted(path for path in release.iterdir() if path.is_dir()):
            if source.name != "sealed-by-kms" or WITH_KMS:
                def case(source=source):
                    check(source)
                case.__doc__ = f"{source.parent.name}: {source.name.replace('-', ' ')}"
                yield case


if __name__ == "__main__":
    run(list(cases()))
