# SPDX-License-Identifier: Apache-2.0
"""GPT disks for the machine: sparse files with named partitions, read and filled from the host."""
import pathlib
import subprocess

MIB = 1 << 20
# Sizes in MiB; xfs wants 300 at least, the LUKS2 header takes 16.
STANDARD = {"META": 1, "STATE": 100, "EPHEMERAL": 600, "u-data": 400}


class Disk:
    def __init__(self, path, partitions=None, room=None):
        """Makes the disk; `partitions` maps GPT names to sizes in MiB, `room` some of them to what is free behind."""
        self.path = pathlib.Path(path)
        self._spans = {}
        start, lines = 1, ["label: gpt", "first-lba: 2048"]
        for name, size in (partitions or STANDARD).items():
            self._spans[name] = (start * MIB, size * MIB)
            lines.append(f'start={start}MiB, size={size}MiB, name="{name}"')
            start += size + (room or {}).get(name, 0)
        with open(self.path, "wb") as file:
            file.truncate((start + 1) * MIB)
        subprocess.run(["sfdisk", "--quiet", self.path], input="\n".join(lines), text=True, check=True,
                       stdout=subprocess.DEVNULL)

    def __fspath__(self):
        return str(self.path)

    def __str__(self):
        return str(self.path)

    def read(self, partition, size=None):
        """The first `size` bytes of a partition, or all of it."""
        start, length = self._spans[partition]
        with open(self.path, "rb") as file:
            file.seek(start)
            return file.read(min(size or length, length))

    def is_blank(self, partition):
        return not self.read(partition).strip(b"\0")

    def fill(self, partition, image):
        """Copies a file to the beginning of a partition."""
        start, length = self._spans[partition]
        data = pathlib.Path(image).read_bytes()
        if len(data) > length:
            raise ValueError(f"{image} does not fit into {partition}")
        with open(self.path, "r+b") as file:
            file.seek(start)
            file.write(data)


def luks_image(path, passphrase, size_mib=20, slot=0):
    """A LUKS2 header in a file, made by cryptsetup with the cheapest key derivation."""
    with open(path, "wb") as file:
        file.truncate(size_mib * MIB)
    subprocess.run(["cryptsetup", "luksFormat", "--batch-mode", "--type", "luks2", "--pbkdf", "pbkdf2",
                    "--pbkdf-force-iterations", "1000", "--key-slot", str(slot), "--key-file", "-", path],
                   input=passphrase.encode(), check=True, stdout=subprocess.DEVNULL)
    return path
