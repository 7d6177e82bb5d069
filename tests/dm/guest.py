#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The first process of the guest: mounts what it needs, loads the modules, runs the checks."""
import ctypes
import os
import pathlib
import platform
import subprocess
import sys
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import lab  # pylint: disable=wrong-import-position

# dm-crypt refuses to load without the ciphers before it.
MODULES = ("aes_generic", "cbc", "ecb", "xts", "sha256_generic", "hmac", "loop", "dm-mod", "af_alg",
           "algif_skcipher", "dm-crypt", "fat", "vfat", "nls_cp437", "nls_ascii", "nls_iso8859-1", "nls_utf8")
POWER_OFF = 0x4321FEDC


def prepare():
    os.environ.update(PATH="/usr/sbin:/usr/bin:/sbin:/bin", TMPDIR="/run/tmp", LC_ALL="C",
                      DM_DISABLE_UDEV="1", HOME="/run")
    for command in (["mount", "-t", "proc", "proc", "/proc"], ["mount", "-t", "sysfs", "sysfs", "/sys"],
                    ["mount", "-t", "tmpfs", "-o", "mode=755,size=90%", "tmpfs", "/run"]):
        subprocess.run(command, check=True)
    for folder in ("/run/tmp", "/run/cryptsetup", "/run/work", "/run/lib/modules"):
        os.makedirs(folder)
    version = platform.release()
    os.symlink(f"/usr/lib/uml/modules/{version}", f"/run/lib/modules/{version}")
    subprocess.run(["modprobe", "-d", "/run", "-a", *MODULES], check=True)


def run_checks(build, chosen):
    # After the mounts: they are for this kernel only.
    # pylint: disable=import-outside-toplevel
    import bench_checks
    import block_checks
    import crash_checks
    import decrypt_checks
    import engine_checks
    import encrypt_checks
    import grow_checks
    import header_checks
    import pin_checks
    import plain_checks
    import state_checks
    import trouble_checks
    import udev_checks
    import volume_key_checks
    groups = {"block": block_checks.run_all, "engine": engine_checks.run_all,
              "trouble": trouble_checks.run_all, "plain": plain_checks.run_all, "pin": pin_checks.run_all,
              "state": state_checks.run_all, "grow": grow_checks.run_all, "encrypt": encrypt_checks.run_all,
              "decrypt": decrypt_checks.run_all, "header": header_checks.run_all,
              "udev": udev_checks.run_all, "volume-key": volume_key_checks.run_all,
              "crash": crash_checks.run_all, "bench": bench_checks.run_all}
    for name, group in groups.items():
        if name in chosen:
            group(build)


def main():
    try:
        prepare()
        run_checks(sys.argv[1], sys.argv[2:])
    except Exception:  # pylint: disable=broad-except
        lab.verdict("the guest can run the checks", traceback.format_exc())
    print("END of the checks", flush=True)
    os.sync()
    ctypes.CDLL(None).reboot(POWER_OFF)


main()
