#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""/var on a partition of its own, whose check takes long, and EPHEMERAL at /var: volumes are known before either is
there (TAP)."""
import json
import subprocess
import sys

import checks
from disk import Disk, luks_image
from image import system_image
from thin_path import EPHEMERAL, activated
from vm import Machine

UUID = "5e1c94d7-2b8a-4f30-96cd-d10f7b3e8a52"
SECRET = "the key of every disk here"
CONFIG = "/etc/volumecrypt/volumes.yaml"
PINS = "/etc/volumecrypt/state/pins"
FSTAB = "/dev/vda / ext4 errors=remount-ro 0 1\n/dev/disk/by-partlabel/VAR /var ext4 defaults 0 2\n"
# Of /var alone, since the volumes have file systems too: as slow as it takes, however slow the machine is.
SLOW_FSCK = """\
[Service]
ExecStartPre=/bin/sh -c 'case "%i" in *VAR) for n in $$(seq 300); do \
    case $$(systemctl show -P ActiveState volumecrypt@u-data) in active|failed) break;; esac; sleep 1; done;; esac'
"""


def document(kind, name, where):
    return (f"apiVersion: v1alpha1\nkind: {kind}\nname: {name}\nmount: {{where: {where}, required: true}}\n"
            f"filesystem: {{type: ext4}}\nencryption:\n  keys:\n    - {{slot: 0, static: {{passphrase: {SECRET}}}}}\n")


DATA_AT_SRV = document("UserVolumeConfig", "data", "/srv/data")
EPHEMERAL_AT_VAR = document("VolumeConfig", "EPHEMERAL", "/var")
# Where the sandbox of the units hides everything else.
KEY_FILES = {"u-inroot": "/root/keys/inroot", "u-inhome": "/home/keys/inhome"}


def key_file_document(name, path):
    text = document("UserVolumeConfig", name.removeprefix("u-"), f"/srv/{name}")
    return text.replace(f"{{passphrase: {SECRET}}}", f"{{passphraseFile: {path}}}")


def goes_on_without(machine, documents):
    """What is declared is no longer needed by the boot: it goes on when a volume is refused."""
    machine.write(CONFIG, documents.replace("required: true", "required: false"), mode="0600")


def ext4_image(path, size_mib):
    subprocess.run(["mkfs.ext4", "-q", path, f"{size_mib}M"], check=True, stdout=subprocess.DEVNULL)
    return path


def blank_image(path, size_mib):
    with open(path, "wb") as file:
        file.truncate(size_mib << 20)
    return path


def status(machine, name):
    # An emulated machine right after its boot may be too slow for the first answer.
    machine.wait_until(f"volumecryptctl status {name}", 180, 5)
    return json.loads(machine.output(f"volumecryptctl status {name} --json"))


def journal(machine, name):
    return machine.journal(f"-u volumecrypt@{name} -u volumecrypt-sync@{name}")


def check_refused(check, machine, name, where, code):
    error = status(machine, name)["lastError"] or {}
    check.equal(f"{name} is refused: {code}", error.get("code"), code)
    check.fact(f"{name} is not mounted", not machine.run(f"mountpoint -q {where}").ok, lambda: journal(machine, name))
    listed = machine.output("volumecryptctl list")
    line = [text for text in listed.splitlines() if text.startswith(name)]
    check.fact("volumecryptctl list does not say ok", line and "\tok\t" not in line[0], listed)


def check_pinned(check, machine, name):
    pinned = machine.wait_until(f"test -e {PINS}/{name}.json")
    modes = machine.run(f"stat -c %a /etc/volumecrypt/state {PINS}/{name}.json").output.split()
    check.fact(f"{name} is remembered on the root file system, for root only", pinned.ok and modes == ["700", "600"],
               lambda: f"{modes}\n{journal(machine, name)}")
    check.fact("nothing is kept in /var/lib", not machine.run("test -e /var/lib/volumecrypt").ok)


def check_key_files(check, machine):
    for name, path in KEY_FILES.items():
        check.fact(f"{name} opens by {path}", machine.run(f"mountpoint -q /srv/{name}").ok,
                   lambda: journal(machine, name))


def check_no_cycle(check, machine):
    found = machine.run("journalctl -b --no-pager | grep -i 'ordering cycle'").output
    check.fact("systemd found no ordering cycle", not found, found)


def var_on_a_partition(check, system):
    machine = Machine(system, UUID)
    disk = Disk(machine.folder / "data.img", {"VAR": 200, "u-data": 64})
    disk.fill("VAR", ext4_image(machine.folder / "var", 200))
    machine.attach(disk)
    machine.inject("/etc/fstab", FSTAB)
    machine.inject("/etc/systemd/system/systemd-fsck@.service.d/slow.conf", SLOW_FSCK)
    machine.inject(CONFIG, DATA_AT_SRV, mode=0o600)
    check.section("/var on a partition of its own: the first boot")
    machine.boot()
    machine.wait_booted()
    attached, mounted = (activated(machine, unit) for unit in ("volumecrypt@u-data", "var.mount"))
    check.fact("u-data was attached before /var was mounted", 0 < attached < mounted, f"{attached} {mounted}")
    check.fact("it is mounted", machine.run("mountpoint -q /srv/data").ok, lambda: journal(machine, "u-data"))
    check_pinned(check, machine, "u-data")
    check_no_cycle(check, machine)
    goes_on_without(machine, DATA_AT_SRV)
    machine.power_off()
    check.section("/var on a partition of its own: a blank disk in the place of u-data")
    disk.fill("u-data", blank_image(machine.folder / "blank", 64))
    machine.boot()
    machine.wait_booted()
    check_refused(check, machine, "u-data", "/srv/data", "VolumeVanished")
    machine.power_off()
    check.fact("nothing was written to it", disk.is_blank("u-data"))
    machine.destroy()


def ephemeral_at_var(check, system):
    machine = Machine(system, UUID)
    disk = Disk(machine.folder / "data.img", {"EPHEMERAL": 200, **dict.fromkeys(KEY_FILES, 40)})
    machine.attach(disk)
    documents = EPHEMERAL_AT_VAR
    for name, path in KEY_FILES.items():
        machine.inject(path, f"the key of {name}", mode=0o600)
        documents += "---\n" + key_file_document(name, path)
    machine.inject(CONFIG, documents, mode=0o600)
    check.section("EPHEMERAL at /var: the first boot, and an order to wipe it")
    machine.boot()
    machine.wait_booted()
    source = machine.run("findmnt -no SOURCE /var").output.strip()
    check.equal("EPHEMERAL is mounted at /var", source, "/dev/mapper/luks2-EPHEMERAL")
    check_pinned(check, machine, "EPHEMERAL")
    check_key_files(check, machine)
    check_no_cycle(check, machine)
    uuid = machine.output(f"cryptsetup luksUUID {EPHEMERAL.device}")
    machine.write("/var/kept", "kept")
    wiped = machine.run("volumecryptctl wipe EPHEMERAL --confirm EPHEMERAL", 180)
    order = machine.run("cat /etc/volumecrypt/state/wipe/EPHEMERAL").output.strip()
    check.fact("the wipe is staged where attach will see it", wiped.ok and order == uuid, wiped.output + order)
    machine.power_off()
    check.section("EPHEMERAL at /var: it is wiped and made anew")
    machine.boot()
    machine.wait_booted()
    source = machine.run("findmnt -no SOURCE /var").output.strip()
    made = machine.run(f"cryptsetup luksUUID {EPHEMERAL.device}").output.strip()
    check.fact("another EPHEMERAL is mounted at /var, without the file",
               source == "/dev/mapper/luks2-EPHEMERAL" and made not in ("", uuid)
               and not machine.run("test -e /var/kept").ok, lambda: f"{source} {made}\n{journal(machine, 'EPHEMERAL')}")
    check_pinned(check, machine, "EPHEMERAL")
    check_key_files(check, machine)
    goes_on_without(machine, documents)
    machine.power_off()
    check.section("EPHEMERAL at /var: another disk in its place, with the same key")
    disk.fill("EPHEMERAL", luks_image(machine.folder / "luks", SECRET))
    before = disk.read("EPHEMERAL")
    machine.boot()
    machine.wait_booted()
    check_refused(check, machine, "EPHEMERAL", "/var", "ForeignVolume")
    machine.power_off()
    check.fact("nothing was written to it", disk.read("EPHEMERAL") == before)
    machine.destroy()


def scenario(check, system):
    var_on_a_partition(check, system)
    ephemeral_at_var(check, system)


if __name__ == "__main__":
    checks.main(scenario, system_image(sys.argv[1]))
