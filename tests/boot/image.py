#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Builds the disk image that the virtual machines boot: a small Debian, this build, an agent."""
import contextlib
import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SUITE = "bookworm"
IMAGE_SIZE = "1600M"
# What the kernel needs before it has its root.
INITRD_MODULES = ["virtio_pci", "virtio_blk", "ext4"]
EXCLUDED = ["/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*"]
# Nothing of these belongs to the machine under test, and each costs time at boot.
MASKED = ["apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer",
          "e2scrub_reap.service", "fstrim.timer", "getty@tty1.service", "serial-getty@ttyS0.service",
          "systemd-timesyncd.service", "systemd-networkd.service"]


def log(text):
    print(f"# image: {text}", file=sys.stderr, flush=True)


def cache_folder():
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
    folder = cache / "volumecrypt"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


@contextlib.contextmanager
def locked(path):
    """One builder at a time; the lock ends with the process at the latest."""
    with open(path, "w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def vm_packages():
    command = [ROOT / "tools/setup", "--list", "vm"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()


def bootstrap(target):
    # The initrd is made when the kernel is installed: its short list must be there before.
    prepare = ("mkdir -p \"$1/etc/initramfs-tools/conf.d\" \"$1/usr/share/initramfs-tools/modules.d\";"
               "echo MODULES=list > \"$1/etc/initramfs-tools/conf.d/vmtest\";"
               f"printf '%s\\n' {' '.join(INITRD_MODULES)}"
               " > \"$1/usr/share/initramfs-tools/modules.d/vmtest\"")
    command = ["mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", "--format=directory",
               f"--include={','.join(vm_packages())}", f"--essential-hook={prepare}",
               "--aptopt=Acquire::Retries \"3\"", "--aptopt=Acquire::Languages \"none\"",
               *(f"--dpkgopt=path-exclude={pattern}" for pattern in EXCLUDED), SUITE, target]
    subprocess.run(command, check=True, stdout=sys.stderr)


def base_tree():
    """The folder with the Debian tree, made when it is not in the cache."""
    digest = hashlib.sha256(repr((SUITE, vm_packages(), INITRD_MODULES, EXCLUDED)).encode())
    cache = cache_folder()
    tree = cache / f"base-{digest.hexdigest()[:16]}"
    with locked(cache / "base.lock"):
        if not tree.exists():
            started = time.monotonic()
            log(f"building Debian {SUITE}, once, into {tree}")
            partial = cache / "base.partial"
            remove_tree(partial)
            bootstrap(partial)
            partial.rename(tree)
            log(f"built in {time.monotonic() - started:.0f} s")
            for other in cache.glob("base-*"):
                if other != tree:
                    remove_tree(other)
    return tree


def remove_tree(path):
    # rm stays on one file system: a hook that failed may have left a mount.
    subprocess.run(["rm", "-rf", "--one-file-system", path], check=True)


def put(tree, path, text, mode=0o644):
    """Writes a file into a tree whose files are hard links to the cached ones."""
    target = tree / path.lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    target.write_text(text, encoding="utf-8")
    target.chmod(mode)


def link(tree, path, to):
    target = tree / path.lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    target.symlink_to(to)


def customise(tree):
    put(tree, "/etc/fstab", "/dev/vda / ext4 errors=remount-ro 0 1\n")
    put(tree, "/etc/hostname", "vmtest\n")
    put(tree, "/etc/machine-id", "5f8be6ac0f5f4c1b9d7a37c5d1f3a902\n", 0o444)
    put(tree, "/etc/systemd/journald.conf.d/vmtest.conf", "[Journal]\nStorage=persistent\n")
    for unit in MASKED:
        link(tree, f"/etc/systemd/system/{unit}", "/dev/null")
    link(tree, "/etc/systemd/system/default.target", "/usr/lib/systemd/system/multi-user.target")
    # For the one who looks into a machine by hand.
    for name in ("passwd", "shadow"):
        text = (tree / "etc" / name).read_text(encoding="utf-8")
        mode = (tree / "etc" / name).stat().st_mode & 0o777
        put(tree, f"/etc/{name}", "".join(empty_password(line) for line in text.splitlines(True)), mode)
    install_guest(tree)


def empty_password(line):
    fields = line.split(":")
    return ":".join([fields[0], "", *fields[2:]]) if fields[0] == "root" else line


def install_guest(tree):
    places = {"agent": "/usr/lib/vmtest/agent", "late-report": "/usr/lib/vmtest/late-report",
              "vmtest-agent.service": "/etc/systemd/system/vmtest-agent.service",
              "vmtest-late.service": "/etc/systemd/system/vmtest-late.service",
              "90-vmtest.rules": "/etc/udev/rules.d/90-vmtest.rules"}
    for name, path in places.items():
        source = HERE / "guest" / name
        put(tree, path, source.read_text(encoding="utf-8"), 0o755 if os.access(source, os.X_OK) else 0o644)
    for target in ("poweroff", "reboot"):
        link(tree, f"/etc/systemd/system/{target}.target.wants/vmtest-late.service",
             "/etc/systemd/system/vmtest-late.service")


def install_build(build, stage):
    remove_tree(stage)
    stage.mkdir(parents=True)
    subprocess.run(["meson", "install", "-C", build, "--no-rebuild", "--quiet", "--strip",
                    "--destdir", stage], check=True, stdout=sys.stderr)


def tree_digest(*folders):
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            stat = path.lstat()
            digest.update(f"{path.relative_to(folder)} {stat.st_mode:o}\n".encode())
            if path.is_symlink():
                digest.update(os.readlink(path).encode())
            elif path.is_file():
                digest.update(path.read_bytes())
    return digest


def make_image(base, stage, image):
    """Merges the trees by hard links and makes a file system of them."""
    # Hard links need one file system: beside the cached tree.
    merged = base.parent / f"merged-{os.getpid()}"
    try:
        subprocess.run(["cp", "-al", base, merged], check=True)
        customise(merged)
        subprocess.run(["cp", "-a", "--remove-destination", f"{stage}/.", merged], check=True)
        # What `meson install` made belongs to root there, with usual modes.
        image.unlink(missing_ok=True)
        # It names the file that it makes even so, on the output that belongs to a test's results.
        subprocess.run(["mkfs.ext4", "-q", "-F", "-L", "root", "-E", "root_owner=0:0",
                        "-d", merged, image, IMAGE_SIZE], check=True, stdout=subprocess.DEVNULL)
    finally:
        remove_tree(merged)


class SystemImage:
    """Paths of what a machine boots."""

    def __init__(self, image, base, stage):
        self.image = image
        # What this build puts there, as paths below the root.
        self.installed = [str(path.relative_to(stage)) for path in sorted(stage.rglob("*")) if not path.is_dir()]
        boot = base / "boot"
        self.kernel = newest(boot, "vmlinuz-*")
        self.initrd = newest(boot, "initrd.img-*")


def newest(folder, pattern):
    return sorted(folder.glob(pattern))[-1]


def system_image(build):
    """The image of this build, made when it is not what <build>/boot holds."""
    if os.geteuid() != 0:
        sys.exit("image: only root can make the image (owners and device nodes)")
    build = pathlib.Path(build).resolve()
    base = base_tree()
    folder = build / "boot"
    folder.mkdir(exist_ok=True)
    image, key_file = folder / "system.img", folder / "system.key"
    with locked(folder / "lock"):
        install_build(build, folder / "stage")
        digest = tree_digest(folder / "stage", HERE / "guest")
        digest.update(pathlib.Path(__file__).read_bytes() + base.name.encode())
        key = digest.hexdigest()
        if not image.exists() or not key_file.exists() or key_file.read_text(encoding="utf-8") != key:
            started = time.monotonic()
            key_file.unlink(missing_ok=True)
            make_image(base, folder / "stage", image)
            key_file.write_text(key, encoding="utf-8")
            log(f"{image} made in {time.monotonic() - started:.0f} s")
        # Before another test makes the stage anew.
        return SystemImage(image, base, folder / "stage")


def main():
    if sys.argv[1:] == ["base"]:
        base_tree()
    elif len(sys.argv) == 3 and sys.argv[1] == "system":
        print(system_image(sys.argv[2]).image)
    else:
        sys.exit("usage: image.py base | image.py system BUILD-FOLDER")


if __name__ == "__main__":
    main()
