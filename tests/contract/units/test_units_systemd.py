#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""systemd itself reads the generated tree: no complaint, no ordering cycle, nothing injected (TAP)."""
import pathlib
import re
import subprocess
import sys

from unit_tree import Folder, Units, checks, generate, templates, unit_path

CONFIG = r"""
apiVersion: v1alpha1
kind: VolumeConfig
name: STATE
encryption: {keys: [{slot: 0, nodeID: {}}]}
---
apiVersion: v1alpha1
kind: VolumeConfig
name: EPHEMERAL
mount: {where: /srv/ephemeral}
encryption: {keys: [{slot: 0, nodeID: {}, lockToState: true}]}
---
apiVersion: v1alpha1
kind: UserVolumeConfig
name: data
mount: {where: /srv/ephemeral/data, required: true}
encryption:
  keys:
    - {slot: 0, nodeID: {}, lockToState: true}
    - {slot: 1, static: {passphraseFile: /media/keys/data}}
---
apiVersion: v1alpha1
kind: UserVolumeConfig
name: optional
encryption: {keys: [{slot: 0, static: {passphraseFile: /srv/keys/optional}}]}
---
apiVersion: v1alpha1
kind: UserVolumeConfig
name: net
mount: {required: true}
encryption: {keys: [{slot: 0, kms: {endpoint: "grpcs://kms.example:4050"}}]}
---
apiVersion: v1alpha1
kind: UserVolumeConfig
name: manual
volume: {unlock: manual}
encryption: {keys: [{slot: 0, nodeID: {}}]}
---
apiVersion: v1alpha1
kind: UserVolumeConfig
name: plain
mount: {required: true}
trim: {enabled: true}
---
apiVersion: v1alpha1
kind: RawVolumeConfig
name: raw
encryption: {keys: [{slot: 0, nodeID: {}}]}
---
apiVersion: v1alpha1
kind: SwapVolumeConfig
name: swap
encryption: {keys: [{slot: 0, nodeID: {}}]}
"""

# Every character that means something to systemd, YAML, a shell or mount(8), where it may stand.
ODD_DEVICE = "/dev/disk/by-id/o d\"d'%n\\x41;#[Unit]$HOME"
ODD_WHERE = "/srv/a b\"c'd%n\\x20;f#g$HOME[Service]"
ODD_OPTION = "x-odd=ab%H;#[Mount]$HOME"
ODD_FILE = "/srv/k e\"y's%i\\n"
HOSTILE = f"""
apiVersion: v1alpha1
kind: VolumeConfig
name: STATE
mount: {{where: '{ODD_WHERE.replace("'", "''")}'}}
trim: {{enabled: true, interval: 36h}}
encryption: {{allowDiscards: true, keys: [{{slot: 0, nodeID: {{}}}}]}}
---
apiVersion: v1alpha1
kind: UserVolumeConfig
name: odd
volume: {{device: '{ODD_DEVICE.replace("'", "''")}'}}
mount: {{options: ['{ODD_OPTION}']}}
encryption:
  keys:
    - slot: 0
      static: {{passphraseFile: '{ODD_FILE.replace("'", "''")}'}}
      lockToState: true
"""


def understood(check, generator, build):
    check.section("the whole tree")
    with Folder() as folder:
        tree, result = generate(generator, folder, CONFIG)
        check.equal("the generator has nothing to report", (result.returncode, result.stderr), (0, ""))
        static = templates(folder, build)
        ours = sorted(p.name for p in tree.glob("*.mount")) + sorted(p.name for p in tree.glob("*.swap"))
        ours += sorted({p.name for p in tree.glob("*/volumecrypt*@*.service")})
        ours += sorted({p.name for p in tree.glob("*/volumecrypt-trim@*.timer")})
        # Nine attach units, a sync unit for each of the eight encrypted ones, seven mounts, one swap, one trim.
        check.equal("every volume has its units", len(ours), 26)
        verify = subprocess.run(["systemd-analyze", "verify", "--man=no", *ours], capture_output=True, text=True,
                                check=False, env=unit_path(tree, static))
        check.equal("systemd-analyze verify is silent", (verify.returncode, verify.stdout + verify.stderr), (0, ""))
        units = Units("multi-user.target", tree, static)
        check.equal("a boot to multi-user.target has no cycle and no complaint", units.complaints(tree, static), [])
        check.fact("the boot attaches the required volumes", {"volumecrypt@STATE.service", "volumecrypt@u-net.service",
                                                              "volumecrypt-sync@STATE.service"} <= units.names())
        notices_mistakes(check, tree, static)
        for name in ("volumecrypt@u-data.service", "volumecrypt-sync@u-data.service",
                     "volumecrypt-trim@u-data.service"):
            # 16 is 1.6 of 10.
            secure = subprocess.run(["systemd-analyze", "security", "--offline=yes", "--threshold=16", name],
                                    capture_output=True, text=True, check=False, env=unit_path(tree, static))
            check.fact(f"the exposure of {name} is at most 1.6", secure.returncode == 0, secure.stdout[-200:])


def confined(check, build):
    check.section("the daemon")
    unit = pathlib.Path(build) / "systemd" / "volumecrypt.service"
    # 13 is 1.3 of 10.
    secure = subprocess.run(["systemd-analyze", "security", "--offline=yes", "--threshold=13", unit],
                            capture_output=True, text=True, check=False)
    check.fact("the exposure of volumecrypt.service is at most 1.3", secure.returncode == 0, secure.stdout[-200:])


def notices_mistakes(check, tree, static):
    """What the checks above would say to two mistakes that matter."""
    drop_in = tree / "volumecrypt@STATE.service.d" / "99-mistake.conf"
    drop_in.write_text("[Service]\nPrivateTmp=yes\n", encoding="utf-8")
    found = Units("multi-user.target", tree, static).complaints()
    check.fact("PrivateTmp= would be noticed as a cycle", any("ordering cycle" in line for line in found), found)
    drop_in.write_text("[Service]\nNonsense=yes\n", encoding="utf-8")
    found = Units("multi-user.target", tree, static).complaints(tree)
    check.fact("an unknown directive would be noticed", any("Nonsense" in line for line in found), found)
    drop_in.unlink()


def harmless(check, generator, build):
    check.section("values full of special characters")
    with Folder() as folder:
        tree, result = generate(generator, folder, HOSTILE)
        check.equal("the generator has nothing to report", (result.returncode, result.stderr), (0, ""))
        static = templates(folder, build)
        units = Units("local-fs.target", tree, static)
        check.equal("systemd has nothing to complain about", units.complaints(tree, static), [])
        attach = "volumecrypt@u-odd.service"
        needs = units.dependencies(attach, "RequiresMountsFor")
        check.fact("RequiresMountsFor= is the key file and STATE's mount", needs >= {ODD_FILE, ODD_WHERE}, needs)
        writable = units.get(attach, "ReadWritePaths")
        check.equal("ReadWritePaths= is what the template says, and STATE's mount",
                    writable, [f"/run -/etc/volumecrypt/state -/var/lib/volumecrypt -{ODD_WHERE}"])
        device = subprocess.run(["systemd-escape", "--path", "--suffix=device", ODD_DEVICE], capture_output=True,
                                text=True, check=True).stdout.strip()
        check.equal("BindsTo= is the device", units.dependencies(attach, "BindsTo"), {device})
        mount = subprocess.run(["systemd-escape", "--path", "--suffix=mount", ODD_WHERE], capture_output=True,
                               text=True, check=True).stdout.strip()
        check.equal("Where= is the mount point", units.get(mount, "Where"), [ODD_WHERE])
        check.fact("the mount starts the timer of its trim",
                   "volumecrypt-trim@STATE.timer" in units.dependencies(mount, "Wants"))
        check.equal("the timer goes with the mount",
                    units.dependencies("volumecrypt-trim@STATE.timer", "BindsTo"), {mount})
        check.equal("the trim is of the mount point", units.get("volumecrypt-trim@STATE.service", "Environment"),
                    [f"WHERE={ODD_WHERE}"])
        check.equal("What= is the mapping", units.get(mount, "What"), ["/dev/mapper/luks2-STATE"])
        check.equal("Options= are the declared ones and the guards", units.get("var-mnt-odd.mount", "Options"),
                    [f"nodev,nosuid,{ODD_OPTION},nofail"])
        check.equal("nothing but the engine is run", units.get(attach, "Command Line"),
                    ["/bin/true attach u-odd", "/bin/true detach u-odd"])


def kms_server(check, build):
    """The unit of volumecrypt-kms-server, where it is built."""
    source = pathlib.Path(build) / "systemd" / "volumecrypt-kms-server.service"
    if not source.exists():
        return
    check.section(source.name)
    with Folder() as folder:
        text = re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", source.read_text(encoding="utf-8"), flags=re.M)
        (folder / source.name).write_text(text, encoding="utf-8")
        for command in (["verify", "--man=no"], ["security", "--offline=yes", "--threshold=11"]):
            result = subprocess.run(["systemd-analyze", *command, source.name], capture_output=True, text=True,
                                    check=False, env=unit_path(folder))
            check.fact(f"systemd-analyze {command[0]} accepts it: no complaint, an exposure of at most 1.1",
                       result.returncode == 0 and not result.stderr, result.stdout[-200:] + result.stderr)


def scenario(check, generator, build):
    understood(check, generator, build)
    kms_server(check, build)
    harmless(check, generator, build)
    confined(check, build)


if __name__ == "__main__":
    checks.main(scenario, sys.argv[1], sys.argv[2])
