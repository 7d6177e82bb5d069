# SPDX-License-Identifier: Apache-2.0
"""What attach must not take for the volume, on real devices: a header that was changed, data of a detached
header; and a wipe that was ordered."""
import hashlib
import json
import os
import struct

from engine_checks import NODE, Volume
from lab import Machine, check, equal, mappings, mounted

SIZE_AT, CHECKSUM_AT, JSON_AT = 8, 448, 4096


def change_header(node, edit):
    """Edits the JSON of both copies; the checksums are right again afterwards."""
    with open(node, "r+b") as file:
        file.seek(SIZE_AT)
        size, = struct.unpack(">Q", file.read(8))
        for start in (0, size):
            file.seek(start)
            data = bytearray(file.read(size))
            header = json.loads(data[JSON_AT:].rstrip(b"\0"))
            edit(header)
            text = json.dumps(header).encode()
            data[JSON_AT:] = text.ljust(size - JSON_AT, b"\0")
            data[CHECKSUM_AT:CHECKSUM_AT + 64] = bytes(64)
            data[CHECKSUM_AT:CHECKSUM_AT + 32] = hashlib.sha256(data).digest()
            file.seek(start)
            file.write(data)
        os.fsync(file.fileno())


def moved_segment(machine):
    """a volume whose data segment was moved is not opened"""
    with Volume(machine) as volume:
        volume.attach().succeeded()
        with mounted(NODE) as where:
            (where / "file").write_text("precious")
        volume.detach().succeeded()
        for member, value, text in (("offset", str(17 << 20), "begins at byte 17825792 instead of 16777216"),
                                    ("iv_tweak", "8", "numbered from 8 instead of 0"),
                                    ("size", str(1 << 20), "1048576 instead of dynamic")):
            kept = {}

            def spoil(header, member=member, value=value, kept=kept):
                kept[member] = header["segments"]["0"][member]
                header["segments"]["0"][member] = value
            change_header(volume.disk.node, spoil)
            before = volume.disk.digest()
            volume.attach().failed("ForeignVolume", text=text)
            equal(mappings(), [])
            equal(volume.disk.digest(), before, "content of the disk")
            change_header(volume.disk.node, lambda header, kept=kept: header["segments"]["0"].update(kept))
        volume.attach().succeeded(state="unlocked")
        with mounted(NODE) as where:
            equal((where / "file").read_text(), "precious")


def in_crypttab(machine):
    """a blank device that crypttab opens is not formatted"""
    with Volume(machine) as volume:
        crypttab = machine.root / "etc/crypttab"
        crypttab.parent.mkdir(parents=True, exist_ok=True)
        crypttab.write_text(f"hidden {volume.disk.node} none luks,header=/etc/luks/header\n")
        before = volume.disk.digest()
        volume.attach().failed("NotBlank", text="/etc/crypttab opens it as hidden")
        equal(volume.disk.digest(), before, "content of the disk")
        volume.declare(keys=None)
        volume.attach().failed("NotBlank", text="/etc/crypttab opens it as hidden")
        equal(volume.disk.digest(), before, "content of the disk")
        crypttab.unlink()
        volume.attach().succeeded(state="plain", changed=True)


def order_that_cannot_be_seen(machine):
    """a wipe of a volume in use that the next attach could not see is refused, and does not happen"""
    with Volume(machine) as volume:
        volume.attach().succeeded()
        state = machine.root / "etc/volumecrypt/state"
        elsewhere = machine.root / "elsewhere"
        state.rename(elsewhere)
        state.symlink_to(elsewhere)
        answer = machine.engine("wipe", "u-data", "--confirm", "u-data").failed("Io", text="nothing was done")
        assert "symbolic link" in answer.last["message"], answer
        state.unlink()
        elsewhere.rename(state)
        volume.detach().succeeded()
        volume.attach().succeeded(state="unlocked")
        machine.engine("inspect", "u-data").succeeded(pinned=True)
        # As it is ordered otherwise: sync does not pin it again, and the next attach carries it out.
        uuid = machine.engine("inspect", "u-data").last["uuid"]
        machine.engine("wipe", "u-data", "--confirm", "u-data").succeeded(staged=True)
        machine.engine("sync", "u-data").succeeded()
        machine.engine("inspect", "u-data").succeeded(pinned=False)
        volume.detach().succeeded()
        volume.attach().succeeded(state="unlocked")
        assert machine.engine("inspect", "u-data").succeeded(pinned=True).last["uuid"] != uuid


def newer_record(machine):
    """a volume with a newer version's record is opened; record, pin and the damaged copy are left as they are"""
    with Volume(machine) as volume:
        volume.attach().succeeded()
        with mounted(NODE) as where:
            (where / "file").write_text("precious")
        volume.detach().succeeded()

        def newer(header):
            for token in header["tokens"].values():
                if token["type"] == "volumecrypt":
                    token.update(version=2, phase="formatting")
        change_header(volume.disk.node, newer)
        with open(volume.disk.node, "r+b") as file:
            file.seek(JSON_AT + 100)
            file.write(b"damaged")
            os.fsync(file.fileno())
        pin = machine.root / "etc/volumecrypt/state/pins/u-data.json"
        before, pinned = volume.disk.digest(), pin.read_text()
        answer = volume.attach().succeeded(state="unlocked")
        assert any("written by a newer version" in line.get("message", "") for line in answer.lines), answer
        equal(volume.disk.digest(), before, "content of the disk")
        equal(pin.read_text(), pinned)
        machine.engine("sync", "u-data").failed("Unsupported", text="written by a newer version")
        with mounted(NODE) as where:
            equal((where / "file").read_text(), "precious")
        volume.detach().succeeded()


def run_all(build):
    machine = Machine(build)
    for group in (moved_segment, in_crypttab, order_that_cannot_be_seen, newer_record):
        check(group, machine)
