#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""volumecrypt-generator as systemd runs it: where it writes, what it leaves alone, what it says (TAP)."""
import os
import pathlib
import re
import subprocess
import sys

from unit_tree import Folder, checks, generate

GOOD = """
apiVersion: v1alpha1
kind: UserVolumeConfig
name: good
encryption: {keys: [{slot: 0, nodeID: {}}]}
"""
BAD_SLOT = """
---
apiVersion: v1alpha1
kind: UserVolumeConfig
name: bad
encryption: {keys: [{slot: 44, nodeID: {}}]}
"""
ON_ITSELF = """
---
apiVersion: v1alpha1
kind: UserVolumeConfig
name: itself
encryption: {keys: [{slot: 0, static: {passphraseFile: /var/mnt/itself/key}}]}
"""
SECRET = """
---
apiVersion: v1alpha1
kind: UserVolumeConfig
name: secret
encryption: {keys: [{slot: 0, static: {passphrase: correct horse battery}}]}
"""
# What the generator must never load: it would be read from disk before the file systems are there.
FORBIDDEN = ["libcrypto", "libcryptsetup", "libdevmapper", "libsystemd", "libsdbus", "libtss2", "libblkid"]


def files(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if not p.is_dir() or p.is_symlink())


def run(generator, root, *directories, env=None):
    clean = {k: v for k, v in os.environ.items() if not k.startswith("SYSTEMD_")}
    return subprocess.run([generator, "--root", root, *directories], capture_output=True, text=True, check=False,
                          env={**clean, **(env or {})})


def configured_root(folder, text=GOOD):
    root = folder / "root"
    (root / "etc/volumecrypt").mkdir(parents=True)
    config = root / "etc/volumecrypt/volumes.yaml"
    config.write_text(text, encoding="utf-8")
    config.chmod(0o600)
    return root


def directories(folder, *names):
    made = [folder / name for name in names]
    for path in made:
        path.mkdir()
    return made


def writes_below_the_first_directory(check, generator):
    with Folder() as folder:
        root = configured_root(folder)
        normal, early, late = directories(folder, "normal", "early", "late")
        result = run(generator, root, normal, early, late)
        check.equal("a good configuration makes no noise", (result.returncode, result.stdout, result.stderr),
                    (0, "", ""))
        check.fact("units go to the normal directory", "var-mnt-good.mount" in files(normal), files(normal))
        check.equal("the others stay empty", files(early) + files(late), [])
        modes = {oct(p.stat().st_mode & 0o777) for p in normal.rglob("*") if p.is_file() and not p.is_symlink()}
        check.equal("files are readable and not writable by others", modes, {"0o644"})
        mount = (normal / "var-mnt-good.mount").read_text(encoding="utf-8")
        check.fact("SourcePath= is the configuration file", f"SourcePath={root}/etc/volumecrypt/volumes.yaml\n" in mount,
                   mount)
        dangling = [p for p in normal.rglob("*") if p.is_symlink() and os.readlink(p).startswith("..") and
                    not p.exists()]
        check.equal("relative links lead somewhere", dangling, [])
        before = files(normal)
        again = run(generator, root, normal)
        check.equal("a second run changes nothing", (again.returncode, again.stderr, files(normal)), (0, "", before))


def leaves_bad_volumes_out(check, generator):
    with Folder() as folder:
        tree, result = generate(generator, folder, GOOD + BAD_SLOT + ON_ITSELF + SECRET)
        check.equal("errors in the configuration are not the boot's", result.returncode, 0)
        check.fact("an invalid value is reported with its place",
                   re.search(r"volumes\.yaml:\d+:\d+: .*44", result.stderr), result.stderr)
        check.fact("a volume that waits for itself is reported with its place",
                   re.search(r"volumes\.yaml:\d+:\d+: volume u-itself gets no units: .*itself", result.stderr),
                   result.stderr)
        found = " ".join(files(tree))
        check.fact("neither has units, and the good one has",
                   "u-good" in found and "u-bad" not in found and "u-itself" not in found, found)
        everything = result.stderr + "".join(p.read_text(encoding="utf-8") for p in tree.rglob("*")
                                             if p.is_file() and not p.is_symlink())
        check.fact("a passphrase of the configuration is nowhere", "horse" not in everything, everything)
    with Folder() as folder:
        tree, result = generate(generator, folder, "kind: [}\n\x01")
        check.equal("what is no YAML ends well, too, and makes nothing", (result.returncode, files(tree)), (0, []))
        check.fact("it is reported", "volumes.yaml" in result.stderr, result.stderr)
        check.fact("no control character reaches the log", not re.search(r"[\x00-\x09\x0b-\x1f]", result.stderr),
                   repr(result.stderr))


def has_nothing_to_do(check, generator):
    cases = {"in an initrd, by its file": ("etc/initrd-release", {}),
             "in an initrd, by systemd's word": (None, {"SYSTEMD_IN_INITRD": "1"}),
             "in a container": ("run/systemd/container", {})}
    for text, (marker, env) in cases.items():
        with Folder() as folder:
            root = configured_root(folder)
            if marker:
                (root / marker).parent.mkdir(parents=True, exist_ok=True)
                (root / marker).write_text("x\n", encoding="utf-8")
            [normal] = directories(folder, "normal")
            result = run(generator, root, normal, env=env)
            check.equal(f"{text} it makes nothing", (result.returncode, result.stderr, files(normal)), (0, "", []))
    with Folder() as folder:
        [normal] = directories(folder, "normal")
        result = run(generator, folder / "nothing", normal)
        check.equal("without a configuration it makes nothing", (result.returncode, result.stderr, files(normal)),
                    (0, "", []))
        root = configured_root(folder)
        (root / "etc/initrd-release").write_text("x\n", encoding="utf-8")
        result = run(generator, root, normal, env={"SYSTEMD_IN_INITRD": "0"})
        check.fact("systemd knows better than the file", files(normal), result.stderr)


def leaves_others_alone(check, generator):
    with Folder() as folder:
        root = configured_root(folder)
        [normal] = directories(folder, "normal")
        other = normal / "var-mnt-good.mount"
        other.write_text("[Mount]\nWhat=/dev/other\n", encoding="utf-8")
        result = run(generator, root, normal)
        check.equal("the unit of another generator stays", other.read_text(encoding="utf-8"),
                    "[Mount]\nWhat=/dev/other\n")
        check.fact("that is reported, with what to do", result.returncode == 1 and "/etc/fstab" in result.stderr,
                   result.stderr)
        check.fact("all other units are there", "cryptsetup.target.wants/volumecrypt@u-good.service" in files(normal),
                   files(normal))
        (normal / "target").write_text("untouched", encoding="utf-8")
        other.unlink()
        other.symlink_to("target")
        run(generator, root, normal)
        check.equal("it does not write through a link", (normal / "target").read_text(encoding="utf-8"), "untouched")


def open_volumes_keep_their_units(check, generator):
    with Folder() as folder:
        root = configured_root(folder, GOOD + SECRET)
        config = root / "etc/volumecrypt/volumes.yaml"
        (root / "dev/mapper").mkdir(parents=True)
        first, broken, gone, closed = directories(folder, "first", "broken", "gone", "closed")
        run(generator, root, first)
        kept = root / "run/volumecrypt/last-good/u-good.json"
        check.fact("the last valid declaration is remembered", kept.exists() and kept.stat().st_mode & 0o777 == 0o600)
        check.fact("without its passphrase",
              "correct horse" not in (root / "run/volumecrypt/last-good/u-secret.json").read_text(encoding="utf-8"))
        (root / "dev/mapper/luks2-u-good").touch()
        config.write_text(GOOD.replace("slot: 0", "slot: 44"), encoding="utf-8")
        done = run(generator, root, broken)
        good = [name for name in files(first) if "good" in name]
        check.fact("an open volume keeps its units when its document gets an error",
              files(broken) == good and "no valid declaration" in done.stderr, f"{files(broken)} {done.stderr}")
        same = all((first / name).read_bytes() == (broken / name).read_bytes() for name in good
                   if not (first / name).is_symlink())
        check.fact("unchanged", good and same)
        config.write_text("", encoding="utf-8")
        run(generator, root, gone)
        check.fact("and when it is gone", files(gone) == good, files(gone))
        (root / "dev/mapper/luks2-u-good").unlink()
        run(generator, root, closed)
        check.fact("once it is closed it is forgotten", not files(closed) and not kept.exists(), files(closed))


def behaves(check, generator):
    check.equal("wrong usage is status 64", run(generator, "/").returncode, 64)
    usage = subprocess.run([generator, "--help"], capture_output=True, text=True, check=False)
    check.fact("--help says what it is for", usage.returncode == 0 and "systemd runs it" in usage.stdout, usage.stdout)
    dynamic = subprocess.run(["readelf", "--dynamic", generator], capture_output=True, text=True, check=True).stdout
    needed = re.findall(r"NEEDED.*\[(.*)\]", dynamic)
    check.fact("it links neither cryptography nor a bus",
               needed and not [n for n in needed if any(n.startswith(f) for f in FORBIDDEN)], needed)


def scenario(check, generator):
    writes_below_the_first_directory(check, generator)
    leaves_bad_volumes_out(check, generator)
    has_nothing_to_do(check, generator)
    leaves_others_alone(check, generator)
    open_volumes_keep_their_units(check, generator)
    behaves(check, generator)


if __name__ == "__main__":
    checks.main(scenario, pathlib.Path(sys.argv[1]).resolve())
