# SPDX-License-Identifier: Apache-2.0
"""The main story, checked fact by fact: declare, boot, encrypt, boot again, change a key, boot again."""
import dataclasses
import json

from applying import rest
from bus import apply
from disk import Disk
from vm import Machine

# Not all one digit: too little entropy in a UUID is refused as a nodeID.
UUID = "7c2f9a41-5e0b-4d63-9b1a-c84f20d7e635"
CONFIG = "/etc/volumecrypt/volumes.yaml"
FIRST, CHANGED = "the first static passphrase", "quite another static passphrase"


@dataclasses.dataclass(frozen=True)
class Volume:
    id: str
    where: str
    mount: str

    @property
    def device(self):
        return f"/dev/disk/by-partlabel/{self.id}"

    @property
    def mapping(self):
        return f"luks2-{self.id}"


STATE = Volume("STATE", "/system/state", "system-state.mount")
EPHEMERAL = Volume("EPHEMERAL", "/srv/ephemeral", "srv-ephemeral.mount")
DATA = Volume("u-data", "/var/mnt/data", "var-mnt-data.mount")
VOLUMES = [STATE, EPHEMERAL, DATA]


def config(data_passphrase):
    """Three encrypted volumes, each with a nodeID key in slot 0 and a static one in slot 1."""
    def document(kind, name, passphrase, more):
        return (f"apiVersion: v1alpha1\nkind: {kind}\nname: {name}\n{more}"
                "encryption:\n  provider: luks2\n  keys:\n    - {slot: 0, nodeID: {}}\n"
                f"    - {{slot: 1, static: {{passphrase: {passphrase}}}}}\n")
    return "---\n".join([
        document("VolumeConfig", "STATE", FIRST, "filesystem: {type: ext4}\n"),
        document("VolumeConfig", "EPHEMERAL", FIRST, "mount: {where: /srv/ephemeral}\n"),
        document("UserVolumeConfig", "data", data_passphrase, "mount: {required: true}\n")])


def opens(machine, volume, slot, passphrase):
    """Whether the distribution's cryptsetup accepts this key in this slot."""
    return machine.run(f"printf %s '{passphrase}' | cryptsetup open --test-passphrase --key-slot {slot}"
                       f" --key-file - {volume.device}").ok


def header(machine, volume):
    return json.loads(machine.output(f"cryptsetup luksDump --dump-json-metadata {volume.device}"))


def check_running(checks, machine, name):
    state = machine.wait_booted()
    checks.fact(f"{name}: the system is running", state == "running",
                lambda: f"{state}\n" + machine.run("systemctl --failed;"
                                                   " journalctl -b -p warning --no-pager | tail -60").output)


def check_mounted(checks, machine, name):
    for volume in VOLUMES:
        source = machine.run(f"findmnt -no SOURCE {volume.where}").output.strip()
        kind = machine.run(f"dmsetup table {volume.mapping}").output.split()
        checks.fact(f"{name}: {volume.id} is mounted at {volume.where} through dm-crypt",
                    source == f"/dev/mapper/{volume.mapping}" and kind[2:3] == ["crypt"],
                    lambda: f"{source} {kind[:3]}\n" + machine.run(f"systemctl status volumecrypt@{volume.id}").output)
    local_fs = activated(machine, "local-fs.target")
    for volume in VOLUMES:
        mounted = activated(machine, volume.mount)
        checks.fact(f"{name}: {volume.mount} was active {(local_fs - mounted) / 1e6:.2f} s before local-fs.target",
                    0 < mounted < local_fs, f"{mounted} {local_fs}")


def activated(machine, unit):
    """Microseconds from the boot to the unit's activation; 0 when it is not active."""
    return int(machine.output(f"systemctl show --value -p ActiveEnterTimestampMonotonic {unit}") or 0)


def check_no_cycle(checks, machine, name):
    found = machine.run("journalctl -b --no-pager | grep -i 'ordering cycle'").output
    checks.fact(f"{name}: systemd found no ordering cycle", not found, found)


def check_shutdown(checks, machine, name):
    machine.power_off()
    console = machine.console()
    late = [line for line in console.splitlines() if "VMTEST-LATE" in line]
    checks.fact(f"{name}: shutdown closed every mapping before systemd's last clean-up",
                late and not any("left over" in line for line in late), "\n".join(late) or console[-2000:])


def first_boot(checks, machine, disk):
    checks.section("First boot: empty partitions")
    checks.fact("before: the three partitions hold only zeros", all(disk.is_blank(v.id) for v in VOLUMES))
    machine.boot()
    check_running(checks, machine, "first boot")
    check_mounted(checks, machine, "first boot")
    uuid = machine.output("cat /sys/class/dmi/id/product_uuid")
    uuids = {}
    for volume in VOLUMES:
        data = header(machine, volume)
        slots = sorted(data["keyslots"])
        checks.fact(f"first boot: luksDump of {volume.id} shows two key slots, 0 and 1", slots == ["0", "1"], slots)
        checks.fact(f"first boot: {volume.id} opens with its nodeID key in slot 0 and the static one in slot 1",
                    opens(machine, volume, 0, uuid + volume.id) and opens(machine, volume, 1, FIRST))
        uuids[volume.id] = machine.output(f"cryptsetup luksUUID {volume.device}")
        machine.write(f"{volume.where}/kept", volume.id)
    check_no_cycle(checks, machine, "first boot")
    check_shutdown(checks, machine, "first boot")
    return uuids


def later_boot(checks, machine, name, uuids):
    machine.boot()
    check_running(checks, machine, name)
    check_mounted(checks, machine, name)
    for volume in VOLUMES:
        same = machine.output(f"cryptsetup luksUUID {volume.device}") == uuids[volume.id]
        kept = machine.run(f"cat {volume.where}/kept").output == volume.id
        checks.fact(f"{name}: {volume.id} was unlocked, not made again: same LUKS UUID, the file is there",
                    same and kept)
    check_no_cycle(checks, machine, name)


def change_key(checks, machine):
    checks.section("A key changes: edit the YAML, then Apply on the bus")
    rest(machine)
    machine.write(CONFIG, config(CHANGED), mode="0600")
    checks.fact("before Apply: the old passphrase opens u-data, the new one does not",
                opens(machine, DATA, 1, FIRST) and not opens(machine, DATA, 1, CHANGED))
    result = apply(machine)
    checks.fact("busctl call ... Manager Apply: the job finished with success", result.success, result.text)
    checks.fact("after Apply: cryptsetup refuses the old passphrase", not opens(machine, DATA, 1, FIRST))
    checks.fact("after Apply: cryptsetup accepts the new passphrase in slot 1", opens(machine, DATA, 1, CHANGED))
    slots = sorted(header(machine, DATA)["keyslots"])
    checks.fact("after Apply: u-data still has just the slots 0 and 1", slots == ["0", "1"], slots)
    checks.fact("after Apply: u-data stayed mounted", machine.run(f"mountpoint -q {DATA.where}").ok)


def tell_header(checks, machine):
    """What the header of u-data says, for the one who watches."""
    data = header(machine, DATA)
    for slot, entry in sorted(data["keyslots"].items()):
        checks.note(f"slot {slot}: {entry['type']}, {entry['kdf']['type']}, {entry['area']['encryption']}")
    for token, entry in sorted(data["tokens"].items()):
        checks.note(f"token {token}: {entry['type']}")


def scenario(checks, system, between=None):
    """Runs the story; `between` gets the machine in its second boot, for further checks."""
    machine = Machine(system, UUID, tpm=True)
    disk = Disk(machine.folder / "data.img")
    machine.attach(disk)
    machine.inject(CONFIG, config(FIRST), mode=0o600)
    uuids = first_boot(checks, machine, disk)
    checks.section("Second boot: the volumes are there")
    later_boot(checks, machine, "second boot", uuids)
    if between:
        between(checks, machine)
    change_key(checks, machine)
    tell_header(checks, machine)
    check_shutdown(checks, machine, "second boot")
    checks.section("Third boot: with the changed key")
    later_boot(checks, machine, "third boot", uuids)
    checks.fact("third boot: u-data opens with the new passphrase only",
                opens(machine, DATA, 1, CHANGED) and not opens(machine, DATA, 1, FIRST))
    check_shutdown(checks, machine, "third boot")
    machine.destroy()
