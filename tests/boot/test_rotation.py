#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Keys are changed on a volume in use, and the power goes in the middle of its first format and of a
synchronisation (TAP)."""
import json
import re
import sys
import time

import checks
from bus import apply
from disk import Disk
from image import system_image
from vm import Machine

UUID = "2d91c7e4-60ab-4f35-8e17-b5a3d0c64f92"
CONFIG = "/etc/volumecrypt/volumes.yaml"
DEVICE, WHERE = "/dev/disk/by-partlabel/u-data", "/var/mnt/data"
FIO = (f"fio --name=use --directory={WHERE} --size=16M --rw=randrw --bs=4k --verify=crc32c --verify_fatal=1 "
       "--rate=1M --time_based --runtime=60 --output-format=json --output=/run/fio.json")


def config(keys):
    lines = "".join(f"    - {{slot: {slot}, {key}}}\n" for slot, key in keys.items())
    return ("apiVersion: v1alpha1\nkind: UserVolumeConfig\nname: data\nfilesystem: {type: ext4}\n"
            f"encryption:\n  provider: luks2\n  keys:\n{lines}")


def static(passphrase):
    return f"static: {{passphrase: {passphrase}}}"


def declare(machine, **passphrases):
    """nodeID in slot 0, and the given ones: s1="one" is slot 1."""
    keys = {0: "nodeID: {}", **{int(name[1:]): static(text) for name, text in passphrases.items()}}
    machine.write(CONFIG, config(keys), mode="0600")


def opens(machine, slot, passphrase):
    return machine.run(f"printf %s '{passphrase}' | cryptsetup open --test-passphrase --key-slot {slot}"
                       f" --key-file - {DEVICE}").ok


def slots(machine):
    return sorted(int(slot) for slot in json.loads(
        machine.output(f"cryptsetup luksDump --dump-json-metadata {DEVICE}"))["keyslots"])


def cut_when(machine, disk, pattern, seconds=300):
    """Ends the machine as soon as the header on the disk shows the pattern; whether it ever did."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if re.search(pattern, disk.read("u-data", 256 << 10)):
            machine.cut_power()
            return True
        time.sleep(0.001)
    machine.cut_power()
    return False


def boot_and_cut(machine, disk, pattern):
    """The volume may be at work before the agent answers: the disk is watched, not the machine."""
    machine.start_power()
    return cut_when(machine, disk, pattern)


def check_whole(check, machine, name, passphrase):
    state = machine.wait_booted()
    check.fact(f"{name}: the system is running", state == "running",
               lambda: machine.run("systemctl --failed; journalctl -b -p warning --no-pager | tail -40").output)
    check.fact(f"{name}: the volume is mounted", machine.run(f"mountpoint -q {WHERE}").ok)
    check.equal(f"{name}: its key slots are the declared ones", slots(machine), [0, 1])
    uuid = machine.output("cat /sys/class/dmi/id/product_uuid")
    check.fact(f"{name}: cryptsetup opens both", opens(machine, 0, uuid + "u-data") and opens(machine, 1, passphrase))


def interrupted_format(check, machine, disk):
    check.section("The power goes in the middle of the first format, twice")
    check.fact("first: the mark of a format was on the disk", boot_and_cut(machine, disk, b"VOLUMECRYPT-FORMATTING|LUKS"))
    check.fact("second: its header was on the disk, and not ready", boot_and_cut(machine, disk, b'"phase":"formatting"'))
    machine.boot()
    check_whole(check, machine, "the boot after these", "one")
    machine.output(f"echo precious > {WHERE}/file && sync")


def rotation(check, machine):
    check.section("A key is changed while the volume is in use")
    foreign = "a key of somebody else"
    machine.output(f"printf %s one > /run/old; printf %s \"{foreign}\" > /run/new; cryptsetup luksAddKey --batch-mode"
                   f" --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --key-file /run/old {DEVICE} /run/new; rm /run/new")
    recovery = machine.output(f"PASSWORD=one systemd-cryptenroll --recovery-key {DEVICE} 2>/dev/null").split()[-1]
    others = [slot for slot in slots(machine) if slot > 1]
    check.equal("luksAddKey and systemd-cryptenroll have each added a key slot", len(others), 2)
    finish = machine.start(FIO, 300)
    machine.wait_until(f"ls {WHERE}/use*")
    declare(machine, s1="two")
    result = apply(machine)
    check.fact("Apply changes the key", result.success, result.text)
    check.fact("the old one is refused, the new one accepted", not opens(machine, 1, "one") and opens(machine, 1, "two"))
    # As the Talos page does it: the new key beside the old one, then without the old one.
    declare(machine, s1="two", s9="three")
    result = apply(machine)
    check.fact("Apply adds a second one", result.success and opens(machine, 9, "three"), result.text)
    declare(machine, s9="three")
    result = apply(machine)
    check.fact("Apply removes the first", result.success and 1 not in slots(machine), result.text)
    outcome = finish()
    report = json.loads(machine.output("cat /run/fio.json"))["jobs"][0] if outcome.ok else {}
    check.fact("fio, which was running all the time, lost nothing", outcome.ok and report["error"] == 0
               and report["write"]["total_ios"] > 100, outcome.output)
    declare(machine, s1="two")
    result = apply(machine)
    check.fact("Apply goes back to two keys", result.success, result.text)
    check.equal("somebody else's slots are all still there", [s for s in slots(machine) if s > 1], others)
    check.fact("and open the volume", any(opens(machine, slot, foreign) for slot in others)
               and any(opens(machine, slot, recovery) for slot in others))
    for slot in others:
        machine.output(f"cryptsetup luksKillSlot --batch-mode {DEVICE} {slot}")


def interrupted_sync(check, machine, disk):
    check.section("The power goes in the middle of a synchronisation")
    declare(machine, s1="three")
    machine.output("sync")
    machine.start("busctl call org.example.VolumeCrypt /org/example/VolumeCrypt org.example.VolumeCrypt.Manager"
                  " Apply a{sv} 0")
    check.fact("the change had been announced in the header, and not finished", cut_when(machine, disk, b'"pending":\\{'))
    machine.boot()
    check_whole(check, machine, "the boot after it", "three")
    check.equal("what was stored is there", machine.output(f"cat {WHERE}/file"), "precious")
    check.fact("the old key is gone", not opens(machine, 1, "two"))


def scenario(check, system):
    machine = Machine(system, UUID)
    disk = Disk(machine.folder / "data.img", {"u-data": 96})
    machine.attach(disk)
    machine.inject(CONFIG, config({0: "nodeID: {}", 1: static("one")}), mode=0o600)
    interrupted_format(check, machine, disk)
    rotation(check, machine)
    interrupted_sync(check, machine, disk)
    machine.power_off()
    machine.destroy()


if __name__ == "__main__":
    checks.main(scenario, system_image(sys.argv[1]))
