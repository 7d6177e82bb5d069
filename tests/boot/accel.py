# SPDX-License-Identifier: Apache-2.0
"""Finds out, once per boot of the host, whether KVM really runs our kernel."""
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools/lib"))
from cached_tree import cache_folder  # noqa: E402  pylint: disable=wrong-import-position

PROBE_SECONDS = 20


def kvm_runs(kernel):
    """/dev/kvm may be there and yet refuse the processor or hang: so a kernel must speak."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False
    command = ["qemu-system-x86_64", "-machine", "q35", "-accel", "kvm", "-cpu", "max", "-m", "256", "-nodefaults",
               "-display", "none", "-no-reboot", "-serial", "stdio", "-kernel", kernel,
               # Without a root it panics at once, which ends QEMU.
               "-append", "console=ttyS0 panic=-1"]
    try:
        result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=PROBE_SECONDS,
                                check=False)
        said = result.stdout
    except subprocess.TimeoutExpired as error:
        said = error.stdout or b""
    return b"Linux version" in said


def options(kernel):
    """QEMU's arguments for the processor."""
    forced = os.environ.get("VOLUMECRYPT_TEST_ACCEL")
    if forced not in {None, "kvm", "tcg"}:
        sys.exit("VOLUMECRYPT_TEST_ACCEL is kvm or tcg")
    boot_id = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    note = cache_folder() / "accel"
    known = note.read_text(encoding="ascii").split() if note.exists() else []
    if forced:
        answer = forced
    elif known[:1] == [boot_id]:
        answer = known[1]
    else:
        answer = "kvm" if kvm_runs(kernel) else "tcg"
        note.write_text(f"{boot_id} {answer}\n", encoding="ascii")
    return ["-accel", "kvm" if answer == "kvm" else "tcg,thread=multi", "-cpu", "max"]
