#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Dependencies equal to those that systemd's own generators make of the same crypttab and fstab, but
for the differences that are listed here with their reasons (TAP)."""
import os
import re
import subprocess
import sys

from unit_tree import Folder, Units, checks, generate, systemd_version, templates

CONFIG = """
apiVersion: v1alpha1
kind: VolumeConfig
name: EPHEMERAL
mount: {where: /srv/ephemeral, options: [nodev, nosuid], deviceTimeout: 30s}
filesystem: {type: ext4}
encryption: {keys: [{slot: 0, static: {passphraseFile: /srv/keys/ephemeral}}]}
---
apiVersion: v1alpha1
kind: UserVolumeConfig
name: data
mount: {options: [nodev]}
encryption: {keys: [{slot: 0, nodeID: {}}]}
---
apiVersion: v1alpha1
kind: UserVolumeConfig
name: net
mount: {required: true}
encryption: {keys: [{slot: 0, kms: {endpoint: "grpcs://kms.example:4050"}}]}
---
apiVersion: v1alpha1
kind: UserVolumeConfig
name: hand
volume: {unlock: manual}
encryption: {keys: [{slot: 0, nodeID: {}}]}
---
apiVersion: v1alpha1
kind: UserVolumeConfig
name: file
volume: {device: /srv/images/file}
mount: {required: true}
encryption: {keys: [{slot: 0, nodeID: {}}]}
---
apiVersion: v1alpha1
kind: RawVolumeConfig
name: raw
encryption: {keys: [{slot: 0, nodeID: {}}]}
---
apiVersion: v1alpha1
kind: UserVolumeConfig
name: plain
"""

CRYPTTAB = """
luks2-EPHEMERAL PARTLABEL=EPHEMERAL /srv/keys/ephemeral luks,x-systemd.device-timeout=30
luks2-u-data PARTLABEL=u-data none luks,nofail,x-systemd.device-timeout=15
luks2-u-net PARTLABEL=u-net none luks,_netdev
luks2-u-hand PARTLABEL=u-hand none luks,noauto,nofail
luks2-u-file /srv/images/file none luks
luks2-r-raw PARTLABEL=r-raw none luks,nofail,x-systemd.device-timeout=15
"""
FSTAB = """
/dev/mapper/luks2-EPHEMERAL /srv/ephemeral ext4 nodev,nosuid 0 2
/dev/mapper/luks2-u-data /var/mnt/data xfs nodev,nofail 0 2
/dev/mapper/luks2-u-net /var/mnt/net xfs _netdev 0 2
/dev/mapper/luks2-u-hand /var/mnt/hand xfs noauto,nofail 0 2
/dev/mapper/luks2-u-file /var/mnt/file xfs defaults 0 2
PARTLABEL=u-plain /var/mnt/plain xfs nofail,x-systemd.device-timeout=15 0 2
"""

# ID -> mount point; r-raw has none.
VOLUMES = {"EPHEMERAL": "/srv/ephemeral", "u-data": "/var/mnt/data", "u-net": "/var/mnt/net",
           "u-hand": "/var/mnt/hand", "u-file": "/var/mnt/file", "r-raw": None, "u-plain": "/var/mnt/plain"}
PROPERTIES = ["Requires", "Requisite", "Wants", "BindsTo", "Conflicts", "Before", "After", "PropagatesStopTo",
              "StopPropagatedFrom", "RequiresMountsFor", "RequiredBy", "WantedBy", "RequisiteOf"]

OURS, THEIRS = "ours", "theirs"
# (whose, kind of unit, property, unit as a pattern, the systemd that has it too or None, reason). ATTACH,
# SYNC, MOUNT, SOURCE, MAPPING, CONTENT and FSCK stand for the volume's own.
DIFFERENCES = [
    (OURS, "attach", "After", "systemd-udevd.service", 261,
     "detach waits for udev: with udevd stopped first, a shutdown would hang"),
    (OURS, "attach", "After", "systemd-tpm2-setup-early.service", 255, "a TPM may have to be set up first"),
    (OURS, "attach", "After", "tpm2.target", 256, "the TPM has to be there"),
    (OURS, "attach", "RequiresMountsFor", "/etc/volumecrypt/state", None, "volumes are known again by what is there"),
    (OURS, "attach", "After", "-.mount", None, "the same"),
    (OURS, "attach", "(Wants|After)", "modprobe@dm_mod.service", None,
     "the engine has no right to load modules"),
    (OURS, "attach", "PropagatesStopTo", "blockdev@CONTENT.target", None,
     "a mount from fstab is stopped before the mapping is closed, also when only the attach unit stops"),
    (OURS, "attach", "WantedBy", "SOURCE", None, "plugging the disk in attaches it"),
    (OURS, "attach", "Wants", "MOUNT", None, "plugging the disk in mounts it"),
    (OURS, "mount", "WantedBy", "ATTACH", None, "the same"),
    (OURS, "attach", "Wants", "SYNC", None, "the key slots are synchronised once the system is up"),
    (OURS, "attach", "RequisiteOf", "SYNC", None, "the same"),
    (OURS, "attach", "Before", "SYNC", None, "the same"),
    (OURS, "attach", "Before", "MOUNT", None,
     "a volume that is locked or unplugged is unmounted before it is closed"),
    (OURS, "mount", "After", "ATTACH", None, "the same"),
    (OURS, "attach", "Before", "FSCK", None,
     "an attach that rejects what it opened closes it again: a check must not hold it open; a plain device has yet "
     "to be formatted"),
    (OURS, "fsck", "After", "ATTACH", None, "the same"),
    (OURS, "attach", "(Wants|After)", "network-online.target", None, "the key is fetched over the network"),
    (THEIRS, "mapping", "(Wants|After)", "network-online.target", None,
     "the mapping needs no network of its own: its attach unit waits for it"),
    (THEIRS, "mapping", "After", "network.target", None, "the same"),
    (OURS, "attach", "(Wants|After)", "modprobe@loop.service", 257, "a file needs a loop device"),
    (OURS, "attach", "Wants", "systemd-tmpfiles-setup-dev.service", None,
     "its failure need not be ours: /dev/loop-control may be there without it"),
    (THEIRS, "attach", "Requires", "systemd-tmpfiles-setup-dev.service", None, "the same"),
    (OURS, "attach of a file", "Before", "umount.target", None, "the order that all other volumes have"),
    (OURS, "source", "Wants", "ATTACH", None, "plugging the disk in attaches it"),
    # A volume without encryption has an attach unit as well, for which fstab knows no equal.
    (OURS, "mount of a plain volume", "Requires", "ATTACH", None, "it formats a blank device"),
    (OURS, "source of a plain volume", "Before", "ATTACH", None, "the same"),
]


def escaped(path, suffix):
    return subprocess.run(["systemd-escape", "--path", f"--suffix={suffix}", path], capture_output=True, text=True,
                          check=True).stdout.strip()


def instance(template, name):
    return subprocess.run(["systemd-escape", f"--template={template}", name], capture_output=True, text=True,
                          check=True).stdout.strip()


class Names:
    """The unit names of one volume."""

    def __init__(self, name, where):
        self.plain = name == "u-plain"
        self.attach = f"volumecrypt@{name}.service"
        self.sync = f"volumecrypt-sync@{name}.service"
        self.mount = escaped(where, "mount") if where else None
        self.source = None if name == "u-file" else escaped(f"/dev/disk/by-partlabel/{name}", "device")
        self.mapping = None if self.plain else escaped(f"/dev/mapper/luks2-{name}", "device")
        self.content = (self.source if self.plain else self.mapping).removesuffix(".device")
        self.fsck = f"systemd-fsck@{self.content}.service" if where else None
        self.theirs = instance("systemd-cryptsetup@.service", f"luks2-{name}")

    def kinds(self):
        """Kind of unit -> name, of the units that both sides have."""
        kinds = {"mount": self.mount, "source": self.source, "fsck": self.fsck}
        if not self.plain:
            kinds |= {"attach": self.attach, "mapping": self.mapping}
        return {kind: name for kind, name in kinds.items() if name}

    def expand(self, pattern):
        for word, name in (("ATTACH", self.attach), ("SYNC", self.sync), ("MOUNT", self.mount), ("SOURCE", self.source),
                           ("CONTENT", self.content), ("FSCK", self.fsck)):
            if word in pattern:
                return pattern.replace(word, name) if name else None
        return pattern


def everything(folder):
    """A target that wants the units of all volumes, so that systemd loads them."""
    out = folder / "everything"
    out.mkdir()
    units = [n for name, where in VOLUMES.items() for n in Names(name, where).kinds().values()]
    theirs = [Names(name, where).theirs for name, where in VOLUMES.items() if name != "u-plain"]
    (out / "everything.target").write_text(f"[Unit]\nWants={' '.join(units + theirs)}\n", encoding="utf-8")
    return out


def their_units(folder):
    out = folder / "theirs"
    out.mkdir()
    (folder / "crypttab").write_text(CRYPTTAB, encoding="utf-8")
    (folder / "fstab").write_text(FSTAB, encoding="utf-8")
    env = {**os.environ, "SYSTEMD_CRYPTTAB": folder / "crypttab", "SYSTEMD_FSTAB": folder / "fstab"}
    for name in ("systemd-cryptsetup-generator", "systemd-fstab-generator"):
        subprocess.run([f"/lib/systemd/system-generators/{name}", out, out, out], env=env, check=True)
    return out


def side(units, kinds, rename):
    """{(kind, property, value)} of one volume's units."""
    found = set()
    for kind, name in kinds.items():
        for key in PROPERTIES:
            for value in units.dependencies(rename.get(name, name), key):
                value = {theirs: ours for ours, theirs in rename.items()}.get(value, value)
                found.add((kind, key, value))
    return found


def ignored(value):
    """Of the test itself, or of how the units are named."""
    return value == "everything.target" or re.fullmatch(r"system(-systemd\\x2dcryptsetup|-volumecrypt)?\.slice", value)


def listed(names, whose, difference):
    """The entry of DIFFERENCES that a difference is, or None."""
    kind, key, value = difference
    kinds = {kind, f"{kind} of a plain volume"} if names.plain else {kind}
    if names.source is None:
        kinds.add(f"{kind} of a file")
    for entry in DIFFERENCES:
        if entry[0] == whose and entry[1] in kinds and re.fullmatch(entry[2], key) and names.expand(entry[3]) == value:
            return entry
    return None


def timeouts(tree):
    """{device unit: {directive: value}} of all drop-ins."""
    found = {}
    for path in tree.glob("*.device.d/*.conf"):
        for key, value in re.findall(r"^(Job\w+)=(.*)$", path.read_text(encoding="utf-8"), re.M):
            value = {"0": "infinity"}.get(value, value.removesuffix("s"))
            found.setdefault(path.parent.name.removesuffix(".d"), {})[key] = value
    return found


def compare_timeouts(check, ours, theirs):
    mine, other = timeouts(ours), timeouts(theirs)
    optional = {name for name, wait in mine.items() if wait == {"JobRunningTimeoutSec": "5min"}}
    check.equal("a mapping that is not required is waited for longer than the default, so that an attach that has to "
                "wait itself does not leave the volume unmounted", optional,
                {Names(name, VOLUMES[name]).mapping for name in ("u-data", "u-hand", "r-raw")})
    check.equal("all other device timeouts are the same", {k: v for k, v in mine.items() if k not in optional}, other)


def scenario(check, generator, build):
    with Folder() as folder:
        tree, result = generate(generator, folder, CONFIG)
        check.equal("the generator has nothing to report", (result.returncode, result.stderr), (0, ""))
        theirs = their_units(folder)
        target = everything(folder)
        our_units = Units("everything.target", target, tree, templates(folder, build))
        other_units = Units("everything.target", target, theirs)
        used = set()
        for name, where in VOLUMES.items():
            names = Names(name, where)
            kinds = names.kinds()
            mine = side(our_units, kinds, {})
            other = side(other_units, kinds, {names.attach: names.theirs})
            unlisted = []
            for whose, difference in ([(OURS, d) for d in mine - other] + [(THEIRS, d) for d in other - mine]):
                entry = listed(names, whose, difference)
                used.add(entry)
                if entry is None and not ignored(difference[2]):
                    unlisted.append((whose, *difference))
            check.fact(f"{name}: {len(mine & other)} dependencies are the same", len(mine & other) >= 10)
            check.equal(f"{name}: the differences are the listed ones", sorted(unlisted), [])
        version = systemd_version()
        unused = [e for e in DIFFERENCES if e not in used and (e[4] is None or version < e[4])]
        check.equal("every listed difference is one", unused, [])
        compare_timeouts(check, tree, theirs)


if __name__ == "__main__":
    checks.main(scenario, sys.argv[1], sys.argv[2])
