# SPDX-License-Identifier: Apache-2.0
"""Our udev rules under a real udev: links of partitions that are enlarged or renamed while they are in use."""
import contextlib
import os
import pathlib
import shutil
import subprocess
import time

from engine_checks import MAP, document
from lab import Machine, check, disk, equal, mappings, mounted, run

RULES = pathlib.Path(__file__).resolve().parents[2] / "systemd/90-volumecrypt.rules"
MARKS = pathlib.Path("/run/systemd/generator/volumecrypt-devices/disk/by-partlabel")
LINK = "/dev/disk/by-partlabel/u-data"
UDEVD = "/usr/lib/systemd/systemd-udevd" if os.path.exists("/usr/lib/systemd/systemd-udevd") else "/lib/systemd/systemd-udevd"


def settle():
    run("udevadm", "settle", "--timeout=30")


def table(node, text, *options):
    """Writes a partition table without telling the kernel, as its tools do with a disk in use."""
    run("sfdisk", "--quiet", "--force", "--no-reread", "--no-tell-kernel", *options, node, stdin=text)
    # udev sees that the disk was written to; here it is not its turn to find that out.
    changed(node + "p1")


def changed(*nodes):
    run("udevadm", "trigger", "--action=change", "--settle", *nodes)


def wait_for(daemon):
    """Until it listens: its socket is not there at once, and then a ping is an error."""
    deadline = time.monotonic() + 60
    while (ping := run("udevadm", "control", "--ping", "--timeout=30", ok=False)).returncode != 0:
        assert daemon.poll() is None, f"udevd ended with {daemon.returncode}"
        assert time.monotonic() < deadline, ping.stderr
        time.sleep(0.1)


@contextlib.contextmanager
def udev():
    folder = pathlib.Path("/run/udev/rules.d")
    folder.mkdir(parents=True)
    shutil.copy(RULES, folder)
    MARKS.mkdir(parents=True)
    (MARKS / "u-data").write_text("u-data\n")
    with subprocess.Popen([UDEVD, "--resolve-names=never"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as daemon:
        try:
            wait_for(daemon)
            yield
        finally:
            daemon.terminate()
            daemon.wait()


@contextlib.contextmanager
def partition():
    """The node of a disk with one partition u-data of 64 MiB and room behind it."""
    with disk(192, "--partscan") as whole:
        run("sfdisk", "--quiet", whole.node, stdin='label: gpt\nstart=1MiB, size=64MiB, name="u-data"\n')
        settle()
        changed(whole.node + "p1")
        assert os.path.exists(LINK), run("udevadm", "info", whole.node + "p1")
        try:
            yield whole.node
        finally:
            if MAP in mappings():
                run("dmsetup", "remove", "--retry", MAP, ok=False)
            run("partx", "-d", whole.node, ok=False)
            settle()


def is_ours(node):
    return "UDISKS_IGNORE=1" in run("udevadm", "info", "--query=property", node + "p1")


def check_link(node, what):
    assert os.path.exists(LINK), f"{what}: {run('udevadm', 'info', node + 'p1')}"
    equal(os.path.realpath(LINK), node + "p1", what)
    assert is_ours(node), what


def enlarge(node, what, last):
    for size in (80, 96):
        table(node, f",{size}M\n", "-N", "1")
        properties = run("udevadm", "info", "--query=property", node + "p1")
        assert "ID_PART_ENTRY_NAME=" not in properties, f"udev took the entry for the partition's: {properties}"
        check_link(node, f"{what}, {size} MiB in the table")
        run("partx", "-u", "--nr", "1", node)
        changed(node + "p1")
        check_link(node, f"{what}, {size} MiB")
    equal(run("blockdev", "--getsize64", node + "p1").strip(), str(last << 20))


def larger(machine):
    """a partition that is enlarged in use keeps its link, unlocked or mounted as it is"""
    # One that nobody uses the kernel takes away and gives back, as soon as udev sees its table.
    with partition() as node:
        run("mkfs.ext4", "-q", node + "p1")
        with mounted(node + "p1"):
            enlarge(node, "plain", 96)
    with partition() as node:
        machine.reset()
        machine.declare(document(LINK))
        machine.engine("attach", "u-data").succeeded(state="unlocked")
        enlarge(node, "unlocked", 96)


def renamed(machine):
    """an attached partition keeps its link under another label, until it is locked"""
    with partition() as node:
        machine.reset()
        machine.declare(document(LINK))
        machine.engine("attach", "u-data").succeeded(state="unlocked")
        run("sfdisk", "--quiet", "--no-reread", "--no-tell-kernel", "--part-label", node, "1", "other")
        changed(node + "p1")
        check_link(node, "unlocked")
        assert os.path.exists("/dev/disk/by-partlabel/other")
        run("dmsetup", "remove", "--retry", MAP)
        changed(node + "p1")
        assert not os.path.exists(LINK), "the link of a locked partition with another label stays"


def removed(_machine):
    """a partition that the kernel takes away has no link any more, also while its table says nothing of it"""
    with partition() as node:
        table(node, ",80M\n", "-N", "1")
        run("partx", "-d", node)
        settle()
        assert not os.path.exists(LINK)


def run_all(build):
    machine = Machine(build)
    with udev():
        for group in (larger, renamed, removed):
            check(group, machine)
