# SPDX-License-Identifier: Apache-2.0
"""The engine's attach and detach of encrypted volumes."""
import os

import lab
from lab import UUID, Machine, blkid, check, disk, equal, mappings, mounted, opens, run, table

SECRET = "first secret"
NODE_ID = UUID + "u-data"
MAP = "luks2-u-data"
NODE = "/dev/mapper/" + MAP
HEADER = 16 << 20
KEYS = f"""
    - {{slot: 0, nodeID: {{}}}}
    - {{slot: 1, static: {{passphrase: {SECRET}}}}}"""


def document(node, filesystem="{type: ext4, label: DATA}", keys=KEYS, encryption="", volume="", more=""):
    """A declaration of u-data on `node`; keys=None: not encrypted."""
    text = f"""
apiVersion: v1alpha1
kind: UserVolumeConfig
name: data
volume: {{device: {node}{volume}}}
filesystem: {filesystem}
{more}"""
    return text if keys is None else f"{text}encryption:\n  provider: luks2\n{encryption}  keys:{keys}\n"


class Volume:
    """u-data on a disk of its own; closed and removed at the end."""

    def __init__(self, machine, mebibytes=64, *options, **declared):
        self.machine, self._disk = machine, disk(mebibytes, *options)
        self._declared = declared

    def __enter__(self):
        self.machine.reset()
        self.disk = self._disk.__enter__()
        self.declare(**self._declared)
        return self

    def __exit__(self, *error):
        if MAP in mappings():
            run("dmsetup", "remove", "--retry", MAP, ok=False)
        self._disk.__exit__(*error)

    def declare(self, **declared):
        self.machine.declare(document(self.disk.node, **declared))

    def attach(self, *options):
        return self.machine.engine("attach", "u-data", *options)

    def detach(self):
        return self.machine.engine("detach", "u-data")


def first_attach(machine):
    """attach encrypts and formats a blank device"""
    with Volume(machine) as volume:
        volume.attach().succeeded(state="unlocked", changed=True)
        equal(mappings(), [MAP])
        start, sectors, target, cipher, _, _, device, offset = table(MAP)[:8]
        equal((start, target, cipher, device), ("0", "crypt", "aes-xts-plain64", volume.disk.number()))
        equal(int(offset) * 512, HEADER, "offset of the data")
        equal(int(sectors) * 512, volume.disk.size - HEADER, "size of the mapping")
        equal(blkid(NODE, "TYPE"), "ext4")
        equal(blkid(NODE, "LABEL"), "DATA")
        assert opens(volume.disk.node, NODE_ID, "--key-slot", "0"), "the nodeID key does not open slot 0"
        assert opens(volume.disk.node, SECRET, "--key-slot", "1"), "the static key does not open slot 1"
        assert not opens(volume.disk.node, "another secret"), "any secret opens it"
        run("cryptsetup", "luksDump", volume.disk.node)


def attach_again(machine):
    """attach of an unlocked volume changes nothing"""
    with Volume(machine) as volume:
        volume.attach().succeeded(changed=True)
        before = volume.disk.digest()
        volume.attach().succeeded(state="unlocked", changed=False)
        equal(volume.disk.digest(), before, "content of the disk")
        equal(mappings(), [MAP])


def detach(machine):
    """detach closes the mapping, and does nothing when it is closed"""
    with Volume(machine) as volume:
        volume.attach().succeeded()
        volume.detach().succeeded(state="locked", changed=True)
        equal(mappings(), [])
        volume.detach().succeeded(state="locked", changed=False)


def detach_undeclared(machine):
    """detach closes a volume that left the configuration"""
    with Volume(machine) as volume:
        volume.attach().succeeded()
        machine.declare("")
        volume.detach().succeeded(state="locked", changed=True)
        equal(mappings(), [])


def second_attach(machine):
    """the second attach unlocks and keeps what is stored"""
    with Volume(machine) as volume:
        volume.attach().succeeded()
        with mounted(NODE) as where:
            (where / "file").write_text("precious\n")
        volume.detach().succeeded()
        header = volume.disk.digest(HEADER)
        volume.attach().succeeded(state="unlocked", changed=True)
        equal(volume.disk.digest(HEADER), header, "header area")
        with mounted(NODE) as where:
            equal((where / "file").read_text(), "precious\n")


def encrypted(machine):
    """nothing stored in the volume can be read on the disk"""
    with Volume(machine) as volume:
        volume.attach().succeeded()
        with mounted(NODE) as where:
            (where / "file").write_text("a needle in the haystack\n" * 1000)
        volume.detach().succeeded()
        assert b"needle in the haystack" not in volume.disk.file.read_bytes()


def each_filesystem(machine, kind, mebibytes):
    with Volume(machine, mebibytes, filesystem=f"{{type: {kind}, label: data}}") as volume:
        volume.attach().succeeded(state="unlocked", changed=True)
        equal(blkid(NODE, "TYPE"), kind)
        equal(blkid(NODE, "LABEL"), "DATA" if kind == "vfat" else "data")
        with mounted(NODE, "-t", kind) as where:
            (where / "file").write_text("x")
        volume.detach().succeeded()
        volume.attach().succeeded()
        equal(blkid(NODE, "TYPE"), kind, "after the second attach")


def swap(machine):
    """a swap volume is encrypted swap space"""
    machine.reset()
    with disk(64) as device:
        machine.declare(f"""
apiVersion: v1alpha1
kind: SwapVolumeConfig
name: extra
volume: {{device: {device.node}}}
encryption:
  provider: luks2
  keys:{KEYS}
""")
        machine.engine("attach", "s-extra").succeeded(state="unlocked", changed=True)
        equal(blkid("/dev/mapper/luks2-s-extra", "TYPE"), "swap")
        run("swapon", "/dev/mapper/luks2-s-extra")
        answer = machine.engine("detach", "s-extra")
        assert answer.last["code"] == "Busy", answer
        run("swapoff", "/dev/mapper/luks2-s-extra")
        machine.engine("detach", "s-extra").succeeded(changed=True)
        equal(mappings(), [])


def no_filesystem(machine):
    """a volume without a file system is mapped and left blank"""
    with Volume(machine, filesystem="{type: none}") as volume:
        volume.attach().succeeded(state="unlocked")
        equal(blkid(NODE, "TYPE"), "")
        volume.detach().succeeded()
        header = volume.disk.digest(HEADER)
        volume.attach().succeeded()
        equal(volume.disk.digest(HEADER), header, "header area")


def mount_options(machine):
    """the file systems take the mount options that the units use"""
    for kind, mebibytes, options in (("xfs", 380, "nodev,nosuid,prjquota"), ("ext4", 64, "nodev,nosuid,noexec")):
        with Volume(machine, mebibytes, filesystem=f"{{type: {kind}}}") as volume:
            volume.attach().succeeded()
            with mounted(NODE, "-o", options) as where:
                used = run("findmnt", "--noheadings", "--output", "OPTIONS", where).strip().split(",")
                missing = set(options.split(",")) - set(used)
                assert not missing, f"{kind}: {missing} missing of {used}"


def mapping_options(machine):
    """discards, work queues and sector size reach the crypt target"""
    options = "  options: [no_read_workqueue, no_write_workqueue]\n  allowDiscards: true\n"
    with Volume(machine, 64, encryption=options + "  blockSize: 4096\n") as volume:
        volume.attach().succeeded()
        words = set(table(MAP))
        wanted = {"allow_discards", "no_read_workqueue", "no_write_workqueue", "sector_size:4096"}
        assert wanted <= words, f"{wanted - words} missing of {sorted(words)}"
    with Volume(machine) as volume:
        volume.attach().succeeded()
        assert "allow_discards" not in table(MAP), "discards are allowed though nobody asked for them"


def grown_device(machine):
    """a volume on a device that grew is as large as the device after the next attach"""
    with Volume(machine, 64) as volume:
        volume.attach().succeeded()
        with mounted(NODE) as where:
            (where / "file").write_text("precious")
        volume.detach().succeeded()
        volume.disk.grow(96)
        volume.attach().succeeded()
        equal(int(table(MAP)[1]) * 512, volume.disk.size - HEADER, "size of the mapping")
        run("e2fsck", "-fp", NODE)
        run("resize2fs", NODE)
        with mounted(NODE) as where:
            equal((where / "file").read_text(), "precious")


def with_secret(machine, verb, secret):
    """The answer of a run that is given a passphrase by descriptor."""
    reader, writer = os.pipe()
    os.write(writer, secret.encode())
    os.close(writer)
    try:
        return machine.engine(verb, "u-data", "--secret-fd", str(reader), pass_fds=(reader,))
    finally:
        os.close(reader)


REPLACED = "\n    - {slot: 3, static: {passphrase: another secret}}"


def secret_by_descriptor(machine):
    """a passphrase given by descriptor unlocks when the declared keys do not"""
    with Volume(machine) as volume:
        volume.attach().succeeded()
        volume.detach().succeeded()
        volume.declare(keys=REPLACED)
        hint = volume.attach().failed("NoUsableKey").last["hint"]
        assert "`volumecryptctl unlock u-data --passphrase`" in hint and "systemctl default" not in hint, hint
        # Without this one the boot ends in the emergency shell.
        volume.declare(keys=REPLACED, more="mount: {where: /srv/data, required: true}\n")
        hint = volume.attach().failed("NoUsableKey").last["hint"]
        assert "`systemctl default`" in hint, hint
        volume.declare(keys=REPLACED)
        with_secret(machine, "attach", SECRET).succeeded(state="unlocked")
        equal(mappings(), [MAP])


def secret_of_an_open_volume(machine):
    """a passphrase for a volume that is unlocked already must open it, and brings the declared keys in"""
    with Volume(machine) as volume:
        volume.attach().succeeded()
        digest = volume.disk.digest(HEADER)
        with_secret(machine, "attach", "nonsense").failed("KeyRejected")
        with_secret(machine, "attach", SECRET).succeeded(state="unlocked", changed=False)
        equal(volume.disk.digest(HEADER), digest, "header area when nothing differs")
        volume.declare(keys=REPLACED)
        machine.engine("sync", "u-data").failed("NoUsableKey")
        with_secret(machine, "attach", "nonsense").failed("KeyRejected")
        assert not opens(volume.disk.node, "another secret"), "a wrong passphrase brought a key in"
        with_secret(machine, "attach", SECRET).succeeded(state="unlocked")
        assert opens(volume.disk.node, "another secret"), "the declared key was not brought in"
        equal(mappings(), [MAP])


def sync_by_secret(machine):
    """sync takes a passphrase that opens the volume when no declared key does, while it is in use"""
    with Volume(machine) as volume:
        volume.attach().succeeded()
        volume.declare(keys=REPLACED)
        with mounted(NODE):
            with_secret(machine, "sync", "nonsense").failed("KeyRejected")
            with_secret(machine, "sync", SECRET).succeeded(changed=True)
            assert opens(volume.disk.node, "another secret"), "the declared key was not brought in"
            machine.engine("sync", "u-data").succeeded(changed=False)


def sync_while_mounted(machine):
    """sync changes a key while the volume is in use"""
    with Volume(machine) as volume:
        volume.attach().succeeded()
        with mounted(NODE) as where:
            (where / "file").write_text("before")
            volume.declare(keys=KEYS.replace(SECRET, "second secret"))
            machine.engine("sync", "u-data").succeeded(changed=True)
            assert opens(volume.disk.node, "second secret", "--key-slot", "1"), "the new key does not open slot 1"
            assert not opens(volume.disk.node, SECRET), "the old key still opens the volume"
            digest = volume.disk.digest(HEADER)
            machine.engine("sync", "u-data").succeeded(changed=False)
            equal(volume.disk.digest(HEADER), digest, "header area after a sync with nothing to do")
            (where / "file").write_text("after")


def older_header(machine):
    """a header backup from before the first attach does not cost the data"""
    with Volume(machine) as volume:
        machine.engine("format", "u-data").succeeded()
        backup = lab.WORK / "backup"
        backup.unlink(missing_ok=True)
        run("cryptsetup", "luksHeaderBackup", "--header-backup-file", backup, volume.disk.node)
        volume.attach().succeeded()
        with mounted(NODE) as where:
            (where / "file").write_text("precious")
        # Known by the pin; and without it by what the volume holds.
        for forget in (False, True):
            volume.detach().succeeded()
            run("cryptsetup", "--batch-mode", "luksHeaderRestore", "--header-backup-file", backup, volume.disk.node)
            if forget:
                machine.engine("forget", "u-data", "--confirm", "u-data").succeeded(changed=True)
            volume.attach().succeeded(state="unlocked")
            with mounted(NODE) as where:
                equal((where / "file").read_text(), "precious")
            machine.engine("inspect", "u-data").succeeded(phase="ready", pinned=True)


def filled_by_hand(machine):
    """a new volume that somebody opened and used by hand keeps what it holds"""
    with Volume(machine) as volume:
        machine.engine("format", "u-data").succeeded()
        run("cryptsetup", "open", "--key-file", "-", volume.disk.node, MAP, stdin=SECRET)
        run("mkfs.ext4", "-q", NODE)
        with mounted(NODE) as where:
            (where / "file").write_text("precious")
        volume.attach().succeeded(state="unlocked")
        with mounted(NODE) as where:
            equal((where / "file").read_text(), "precious")


def run_all(build):
    machine = Machine(build)
    for group in (first_attach, attach_again, detach, detach_undeclared, second_attach, encrypted, swap,
                  no_filesystem, mount_options, mapping_options, grown_device, secret_by_descriptor,
                  secret_of_an_open_volume, sync_by_secret, sync_while_mounted, older_header, filled_by_hand):
        check(group, machine)
    for kind, mebibytes in (("ext4", 64), ("xfs", 380), ("btrfs", 160), ("vfat", 64)):
        check(each_filesystem, machine, kind, mebibytes, name=f"attach makes and keeps {kind}")
