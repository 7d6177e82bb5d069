#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Builds the disk images that the virtual machines boot: a small Debian, our packages, an agent."""
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "tools/lib"))
import cached_tree as cache  # noqa: E402  pylint: disable=wrong-import-position
from cached_tree import cached_tree, locked, log, remove_tree  # noqa: E402  pylint: disable=wrong-import-position

DEFAULT_SUITE = "trixie"
IMAGE_SIZE = "2G"
# What the kernel needs before it has its root.
INITRD_MODULES = ["virtio_pci", "virtio_blk", "ext4"]
# Nothing of these belongs to the machine under test, and each costs time at boot.
MASKED = ["apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer",
          "e2scrub_reap.service", "fstrim.timer", "getty@tty1.service", "serial-getty@ttyS0.service",
          "systemd-timesyncd.service", "systemd-networkd.service", "systemd-pcrlock-make-policy.service",
          "proc-sys-fs-binfmt_misc.automount", "systemd-binfmt.service", "dev-hugepages.mount", "dev-mqueue.mount",
          "sys-kernel-debug.mount", "sys-kernel-tracing.mount", "sys-kernel-config.mount",
          "sys-fs-fuse-connections.mount", "modprobe@configfs.service", "modprobe@drm.service",
          "modprobe@efi_pstore.service", "modprobe@fuse.service", "systemd-update-utmp.service",
          "systemd-update-utmp-runlevel.service"]
# A chroot is no machine: nothing is started there.
NO_SERVICES = "#!/bin/sh\nexit 101\n"


def vm_packages(suite):
    command = [ROOT / "tools/setup", "--suite", suite, "--list", "vm"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()


def bootstrap(suite, target):
    # The initrd is made when the kernel is installed: its short list must be there before.
    prepare = ("mkdir -p \"$1/etc/initramfs-tools/conf.d\" \"$1/usr/share/initramfs-tools/modules.d\";"
               "echo MODULES=list > \"$1/etc/initramfs-tools/conf.d/vmtest\";"
               f"printf '%s\\n' {' '.join(INITRD_MODULES)}"
               " > \"$1/usr/share/initramfs-tools/modules.d/vmtest\"")
    command = ["mmdebstrap", *cache.bootstrap_options(), "--variant=minbase", f"--include={','.join(vm_packages(suite))}",
               f"--essential-hook={prepare}",
               # What our packages depend on is installed into it later.
               "--skip=cleanup/apt/lists", suite, target]
    subprocess.run(command, check=True, stdout=sys.stderr)


def base_tree(suite):
    """The folder with the Debian tree."""
    return cached_tree(f"base-{suite}", [suite, vm_packages(suite), INITRD_MODULES, cache.EXCLUDED],
                       lambda partial: bootstrap(suite, partial))


def in_tree(tree, *command):
    """Runs a command in a tree, as a packager's tools do."""
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8",
                   "HOME": "/root"}
    subprocess.run(["unshare", "--mount", "sh", "-ec", 'mount -t proc proc "$0/proc"; tree=$0; exec chroot "$tree" "$@"',
                    tree, *command], check=True, stdout=sys.stderr, stdin=subprocess.DEVNULL, env=environment)


def packages(suite):
    """The .deb files of this tree for that suite, built when they are not those that are there."""
    subprocess.run([ROOT / "tools/package", "--no-check", "--suite", suite], check=True, stdout=sys.stderr)
    found = sorted((ROOT / "build/packages" / suite).glob("volumecrypt*.deb"))
    return [path for path in found if "-dbgsym_" not in path.name]


def package_field(package, field):
    return subprocess.run(["dpkg-deb", "-f", package, field], check=True, capture_output=True, text=True).stdout.strip()


def dependencies(debs):
    """What these packages ask of others."""
    own = {package_field(deb, "Package") for deb in debs}
    wanted = set()
    for deb in debs:
        fields = ",".join(package_field(deb, field) for field in ("Pre-Depends", "Depends", "Recommends"))
        for one in fields.replace("\n", "").split(","):
            if one.strip() and one.split()[0].split(":")[0] not in own:
                wanted.add(one.strip())
    return sorted(wanted)


def tree_with_dependencies(suite, debs):
    """The Debian tree with all that our packages need, so that installing them needs no network."""
    base, wanted = base_tree(suite), dependencies(debs)

    def make(partial):
        copy_tree(base, partial)
        put(partial, "/usr/sbin/policy-rc.d", NO_SERVICES, 0o755)
        put(partial, "/etc/resolv.conf", pathlib.Path("/etc/resolv.conf").read_text(encoding="utf-8"))
        in_tree(partial, "apt-get", "-q", "-o", "Acquire::Retries=3", "satisfy", "-y", "--no-install-recommends", *wanted)
        in_tree(partial, "apt-get", "clean")

    return cached_tree(f"dependencies-{suite}", [base.name, wanted], make)


def copy_tree(source, target):
    subprocess.run(["cp", "-a", "--reflink=auto", source, target], check=True)


def put(tree, path, text, mode=0o644):
    """Writes a file into a tree."""
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
    # The journal of ext4 is enough for a root that is made anew for each test.
    put(tree, "/etc/fstab", "/dev/vda / ext4 errors=remount-ro 0 0\n")
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
    # Units that update what a newer /usr asks for have nothing to do.
    for name in ("etc", "var"):
        put(tree, f"/{name}/.updated", "")


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


def install_packages(tree, debs):
    """As `apt install ./*.deb` does it."""
    folder = tree / "root/packages"
    folder.mkdir()
    for deb in debs:
        shutil.copy(deb, folder)
    # Nothing is downloaded: all that they need is there.
    in_tree(tree, "sh", "-ec", "apt-get -q install -y -o Dir::Log::Terminal= /root/packages/*.deb")
    remove_tree(folder)


def make_image(tree, debs, image):
    """A file system with the tree, these packages, and what the tests need."""
    merged = image.parent / "merged"
    try:
        remove_tree(merged)
        copy_tree(tree, merged)
        if debs:
            install_packages(merged, debs)
        (merged / "usr/sbin/policy-rc.d").unlink()
        customise(merged)
        image.unlink(missing_ok=True)
        # It names the file that it makes even so, on the output that belongs to a test's results.
        subprocess.run(["mkfs.ext4", "-q", "-F", "-L", "root", "-E", "root_owner=0:0",
                        "-d", merged, image, IMAGE_SIZE], check=True, stdout=subprocess.DEVNULL)
    finally:
        remove_tree(merged)


class SystemImage:
    """Paths of what a machine boots."""

    def __init__(self, suite, image, tree, debs):
        self.suite, self.image, self.debs = suite, image, debs
        self.kernel = newest(tree / "boot", "vmlinuz-*")
        self.initrd = newest(tree / "boot", "initrd.img-*")


def newest(folder, pattern):
    return sorted(folder.glob(pattern))[-1]


def file_digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def system_image(build, suite=DEFAULT_SUITE, installed=True):
    """The image of this build, made when it is not what <build>/boot holds; on request without our packages."""
    if os.geteuid() != 0:
        sys.exit("image: only root can make the image (owners and device nodes)")
    folder = pathlib.Path(build).resolve() / "boot"
    folder.mkdir(exist_ok=True)
    name = suite if installed else f"{suite}-bare"
    image, key_file = folder / f"{name}.img", folder / f"{name}.key"
    with locked(folder / "lock"):
        debs = packages(suite)
        tree = tree_with_dependencies(suite, debs)
        parts = [tree.name, *sorted((HERE / "guest").glob("*")), pathlib.Path(__file__), *(debs if installed else [])]
        key = " ".join(file_digest(part) if isinstance(part, pathlib.Path) else part for part in parts)
        if not image.exists() or not key_file.exists() or key_file.read_text(encoding="utf-8") != key:
            started = time.monotonic()
            key_file.unlink(missing_ok=True)
            make_image(tree, debs if installed else [], image)
            key_file.write_text(key, encoding="utf-8")
            log(f"{image} made in {time.monotonic() - started:.0f} s")
    return SystemImage(suite, image, tree, debs)


def main():
    arguments = sys.argv[1:]
    suites = arguments[2:] if arguments[:1] == ["system"] else arguments[1:]
    if not set(suites) <= set(cache.SUITES):
        sys.exit(f"image: the suites are {' '.join(cache.SUITES)}")
    if arguments[:1] == ["base"]:
        for suite in suites or [DEFAULT_SUITE]:
            base_tree(suite)
    elif arguments[:1] == ["system"] and len(arguments) >= 2:
        for suite in suites or [DEFAULT_SUITE]:
            print(system_image(arguments[1], suite).image)
    else:
        sys.exit("usage: image.py base [SUITE...] | image.py system BUILD-FOLDER [SUITE...]")


if __name__ == "__main__":
    main()
