#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""STATE that only META knows to be encrypted, volumes locked to it, STATE wiped and made anew (TAP)."""
import json
import re
import sys

import checks
import meta_image
from applying import rest
from disk import Disk
from image import system_image
from thin_path import DATA, EPHEMERAL, STATE, activated, header
from vm import Machine

UUID = "9d3a61c8-40b7-4f2e-8c15-7be2f5a0d964"
ENGINE = "/usr/libexec/volumecrypt/volumecrypt-engine"
SALT_FILE = f"{STATE.where}/encryption-salt.yaml"
RECOVERY = "cbdefghi-jklnrtuv-vutrnlkj-ihgfedbc-cbdefghi-jklnrtuv-vutrnlkj-ihgfedbc"
PASSPHRASE = "what the declared key begins with"

# As the image brings it: nothing is said of encryption.
STATE_PLAIN = "apiVersion: v1alpha1\nkind: VolumeConfig\nname: STATE\nfilesystem: {type: ext4}\n"
STATE_ENCRYPTED = STATE_PLAIN + "encryption:\n  provider: luks2\n  keys:\n    - {slot: 0, nodeID: {}}\n"
LOCKED = f"""\
apiVersion: v1alpha1
kind: VolumeConfig
name: EPHEMERAL
mount: {{where: /srv/ephemeral, required: false}}
encryption:
  keys:
    - {{slot: 0, nodeID: {{}}, lockToState: true}}
---
apiVersion: v1alpha1
kind: UserVolumeConfig
name: data
encryption:
  keys:
    - {{slot: 0, static: {{passphrase: {PASSPHRASE}}}, lockToState: true}}
"""
# What Talos leaves there for a STATE with one nodeID key.
STATE_JSON = {"EncryptionProvider": "luks2", "EncryptionKeys": [
    {"KeySlot": 0, "KeyStatic": None, "KeyNodeID": {}, "KeyKMS": None, "KeyTPM": None, "KeyLockToSTATE": None}],
    "EncryptionCipher": "aes-xts-plain64", "EncryptionKeySize": 0, "EncryptionBlockSize": 0,
    "EncryptionPerfOptions": None}
# What is written for the same declaration, which names no cipher.
DECLARED_JSON = {**STATE_JSON, "EncryptionCipher": "", "EncryptionAllowDiscards": None}


def secrets(machine):
    """The bytes before the salt, by volume."""
    return {EPHEMERAL: machine.output("cat /sys/class/dmi/id/product_uuid") + "EPHEMERAL", DATA: PASSPHRASE}


def salt(machine):
    return bytes(int(n) for n in re.findall(r"^ {4}- (\d+)$", machine.read(SALT_FILE).decode(), re.M))


def opens(machine, volume, key):
    machine.write("/run/test-key", key, mode="0600")
    return machine.run(f"cryptsetup open --test-passphrase --key-slot 0 --key-file /run/test-key {volume.device}").ok


def status(machine, volume):
    return json.loads(machine.output(f"volumecryptctl status {volume.id} --json"))


def check_locked_to_state(check, machine, when):
    bytes_now = salt(machine)
    check.fact(f"{when}: the salt is 32 bytes in Talos' layout, for root only",
               len(bytes_now) == 32 and machine.output(f"stat -c %a {SALT_FILE}") == "600")
    for volume, secret in secrets(machine).items():
        check.fact(f"{when}: {volume.id} opens with its key and the salt, and not without the salt",
                   opens(machine, volume, secret.encode() + bytes_now) and not opens(machine, volume, secret.encode()))
    return bytes_now


def first_boot(check, machine, disk):
    check.section("First boot: META says how STATE is encrypted")
    machine.boot()
    state = machine.wait_booted()
    check.fact("the system is running", state == "running",
               lambda: f"{state}\n" + machine.run("systemctl --failed;"
                                                   " journalctl -b -p warning --no-pager | tail -60").output)
    source = machine.run(f"findmnt -no SOURCE {STATE.where}").output.strip()
    check.equal("STATE is mounted through dm-crypt", source, "/dev/mapper/luks2-STATE")
    check.fact("before local-fs.target",
               0 < activated(machine, STATE.mount) < activated(machine, "local-fs.target"))
    for volume in (EPHEMERAL, DATA):
        check.fact(f"{volume.id} is mounted after STATE",
                   activated(machine, volume.mount) > activated(machine, STATE.mount) > 0,
                   lambda: machine.run(f"systemctl status volumecrypt@{volume.id} {volume.mount}").output)
    made = check_locked_to_state(check, machine, "first boot")
    checked = machine.journal("-o cat -u volumecrypt-fsck@STATE; systemctl show -p ActiveState volumecrypt-fsck@STATE")
    check.fact("the file system in STATE was checked before it was mounted",
               ": clean, " in checked and "ActiveState=active" in checked, checked)
    shown = machine.run("volumecryptctl meta").output
    check.fact("volumecryptctl meta shows the tag", "StateEncryptionConfig" in shown and "KeyNodeID" in shown, shown)
    check.fact("META was not written to", disk.read("META", 2 * meta_image.COPY) ==
               meta_image.make({9: json.dumps(STATE_JSON).encode(), 10: b"somebody else's"}))
    for volume in (STATE, EPHEMERAL, DATA):
        machine.write(f"{volume.where}/kept", volume.id)
    cycle = machine.run("journalctl -b --no-pager | grep -i 'ordering cycle'").output
    check.fact("systemd found no ordering cycle", not cycle, cycle)
    return made, machine.output(f"cryptsetup luksUUID {STATE.device}")


def add_recovery_keys(check, machine):
    machine.write("/run/recovery", RECOVERY, mode="0600")
    for volume in (EPHEMERAL, DATA):
        added = machine.run(f"{ENGINE} add-key {volume.id} --kind recovery --secret-fd 3 3</run/recovery", 180)
        types = [token["type"] for token in header(machine, volume)["tokens"].values()]
        check.fact(f"{volume.id} has a recovery key", added.ok and "systemd-recovery" in types, added.output)


def stage_wipe(check, machine):
    check.section("STATE is given up: declared in the configuration, wiped at the next boot")
    machine.write("/etc/volumecrypt/state.yaml", STATE_ENCRYPTED, mode="0600")
    wiped = machine.run("volumecryptctl wipe STATE --confirm STATE", 180)
    check.fact("volumecryptctl wipe STATE stages it", wiped.ok, wiped.output)
    machine.power_off()


def second_boot(check, machine, disk, old_salt, old_uuid):
    check.section("Second boot: another STATE")
    machine.boot()
    machine.wait_booted()
    source = machine.run(f"findmnt -no SOURCE {STATE.where}").output.strip()
    uuid = machine.run(f"cryptsetup luksUUID {STATE.device}").output.strip()
    check.fact("STATE was made anew, encrypted, and is mounted",
               source == "/dev/mapper/luks2-STATE" and uuid not in ("", old_uuid),
               lambda: f"{source} {uuid}\n" + machine.run("systemctl status volumecrypt@STATE").output)
    check.fact("it is empty", not machine.run(f"test -e {STATE.where}/kept").ok)
    for volume in (EPHEMERAL, DATA):
        journal = machine.journal(f"-u volumecrypt@{volume.id}")
        check.fact(f"{volume.id} does not open, and the journal says why",
                   not machine.run(f"mountpoint -q {volume.where}").ok and "STATE was replaced" in journal, journal)
    error = status(machine, DATA)["lastError"] or {}
    check.equal("the error on the bus is SaltUnavailable", error.get("code"), "SaltUnavailable")
    machine.write("/run/typed", RECOVERY.upper().replace("-", " ") + "\n", mode="0600")
    for volume in (EPHEMERAL, DATA):
        unlocked = machine.run(f"volumecryptctl unlock {volume.id} --secret-file /run/typed", 240)
        mounted = machine.wait_until(f"mountpoint -q {volume.where}")
        kept = machine.run(f"cat {volume.where}/kept").output
        check.fact(f"the recovery key, typed in capitals, opens {volume.id}: its file is there",
                   unlocked.ok and mounted.ok and kept == volume.id, unlocked.output + kept)
    new_salt = check_locked_to_state(check, machine, "after that")
    check.fact("the salt is another one", new_salt != old_salt)
    rest(machine)
    plan = machine.run("volumecryptctl plan", 240)
    check.fact("there is nothing left to do", plan.ok, plan.output)
    machine.power_off()
    tags = meta_image.read(disk.read("META"))
    check.fact("META says what the configuration says of STATE, and the other tag is kept",
               tags and json.loads(tags.get(9, b"null")) == DECLARED_JSON and tags.get(10) == b"somebody else's", tags)


def scenario(check, system):
    machine = Machine(system, UUID)
    disk = Disk(machine.folder / "data.img")
    image = machine.folder / "meta"
    image.write_bytes(meta_image.make({9: json.dumps(STATE_JSON).encode(), 10: b"somebody else's"}))
    disk.fill("META", image)
    machine.attach(disk)
    machine.inject("/usr/lib/volumecrypt/state.yaml", STATE_PLAIN)
    machine.inject("/etc/volumecrypt/volumes.yaml", LOCKED, mode=0o600)
    old_salt, old_uuid = first_boot(check, machine, disk)
    add_recovery_keys(check, machine)
    stage_wipe(check, machine)
    second_boot(check, machine, disk, old_salt, old_uuid)
    machine.destroy()


if __name__ == "__main__":
    checks.main(scenario, system_image(sys.argv[1]))
