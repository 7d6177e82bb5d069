# SPDX-License-Identifier: Apache-2.0
"""The engine on volumes that are declared without encryption, and on what must not be touched."""
from engine_checks import Volume
from lab import Machine, blkid, check, equal, mappings, mounted, run

LUKS = ("cryptsetup", "luksFormat", "-q", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000", "--key-file", "-")
# What is made on the device -> the words that the error has for it.
FOREIGN = {
    "ext4": ("mkfs.ext4", "-q"),
    "xfs": ("mkfs.xfs", "-q", "--unsupported"),
    "swap": ("mkswap", "-q"),
    "vfat": ("mkfs.vfat",),
}


def blank(machine):
    """a blank plain volume gets its file system, once"""
    with Volume(machine, keys=None) as volume:
        volume.attach().succeeded(state="plain", changed=True)
        equal(blkid(volume.disk.node, "TYPE"), "ext4")
        equal(blkid(volume.disk.node, "LABEL"), "DATA")
        with mounted(volume.disk.node) as where:
            (where / "file").write_text("precious")
        before = volume.disk.digest()
        volume.attach().succeeded(state="plain", changed=False)
        equal(volume.disk.digest(), before, "content of the disk")
        volume.detach().succeeded(changed=False)
        equal(mappings(), [])


def mounted_plain(machine):
    """attach of a mounted plain volume changes nothing"""
    with Volume(machine, keys=None) as volume:
        volume.attach().succeeded()
        with mounted(volume.disk.node):
            volume.attach().succeeded(state="plain", changed=False)


def other_type(machine):
    """another file system than the declared one is NotBlank"""
    with Volume(machine, keys=None) as volume:
        run("mkfs.vfat", volume.disk.node)
        before = volume.disk.digest()
        volume.attach().failed("NotBlank", text="filesystem type mismatch: vfat != ext4")
        equal(volume.disk.digest(), before, "content of the disk")


def encrypted_not_declared(machine):
    """LUKS2 on a plain volume is EncryptedNotDeclared"""
    with Volume(machine, keys=None) as volume:
        run(*LUKS, "--type", "luks2", volume.disk.node, stdin="secret")
        before = volume.disk.digest()
        volume.attach().failed("EncryptedNotDeclared")
        equal(volume.disk.digest(), before, "content of the disk")


def never(machine):
    """`format: never` leaves a blank device alone, encrypted or not"""
    for declared in ({"keys": None}, {}):
        with Volume(machine, volume=", format: never", **declared) as volume:
            before = volume.disk.digest()
            volume.attach().failed("NotLuks2", text="format: never")
            equal(volume.disk.digest(), before, "content of the disk")


def foreign_content(machine):
    """what is on a device that should be encrypted is named and never overwritten"""
    for kind, command in FOREIGN.items():
        with Volume(machine) as volume:
            run(*command, volume.disk.node)
            before = volume.disk.digest()
            volume.attach().failed("NotBlank", text=kind)
            equal(volume.disk.digest(), before, f"content of the disk with {kind}")
            equal(mappings(), [])


def luks1(machine):
    """a LUKS1 volume is NotLuks2 and is left alone"""
    with Volume(machine) as volume:
        run(*LUKS, "--type", "luks1", volume.disk.node, stdin="secret")
        before = volume.disk.digest()
        volume.attach().failed("NotLuks2", text="LUKS1")
        equal(volume.disk.digest(), before, "content of the disk")


def one_byte(machine):
    """a single byte in the first or last 16 MiB is enough to be left alone"""
    for offset in (0, (16 << 20) - 1, (48 << 20), (64 << 20) - 1):
        with Volume(machine) as volume:
            with open(volume.disk.node, "r+b", buffering=0) as device:
                device.seek(offset)
                device.write(b"\x01")
            before = volume.disk.digest()
            volume.attach().failed("NotBlank", text="unknown")
            equal(volume.disk.digest(), before, f"content of the disk with a byte at {offset}")


def run_all(build):
    machine = Machine(build)
    for group in (blank, mounted_plain, other_type, encrypted_not_declared, never, foreign_content, luks1, one_byte):
        check(group, machine)
