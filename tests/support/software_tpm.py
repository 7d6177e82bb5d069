# SPDX-License-Identifier: Apache-2.0
"""swtpm on a socket, for engines that take turns: there is no resource manager."""
import atexit
import ctypes
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

from place import Lost


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class Swtpm:
    """In a folder of its own, which goes with it, or in one that is kept. PCR 7 has a value."""

    def __init__(self, folder=None):
        self._kept = folder is not None
        self._folder = pathlib.Path(folder or tempfile.mkdtemp(prefix="volumecrypt-tpm-"))
        self._socket = self._folder / "tpm"
        self.tcti = f"swtpm:path={self._socket}"
        self._process = subprocess.Popen(
            ["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={self._folder}", "--server",
             f"type=unixio,path={self._socket}", "--ctrl", f"type=unixio,path={self._socket}.ctrl", "--flags",
             "not-need-init,startup-clear"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, preexec_fn=die_with_parent)
        self._owner = os.getpid()
        atexit.register(self._stop_at_exit)
        deadline = time.monotonic() + 20
        while not pathlib.Path(f"{self._socket}.ctrl").exists():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise Lost("swtpm did not start")
            time.sleep(0.02)
        self.extend(7, "1")

    def share_lock(self, place):
        """Engines with roots of their own would not know of each other."""
        lock = place.root / "run/volumecrypt/lock/tpm"
        lock.parent.mkdir(parents=True, exist_ok=True)
        lock.unlink(missing_ok=True)
        lock.symlink_to(self._folder / "lock")

    def extend(self, pcr, digit):
        subprocess.run(["tpm2_pcrextend", "-T", self.tcti, f"{pcr}:sha256={digit * 64}"], check=True)

    def debug_pcr(self, digit):
        """Sets PCR 16, which can be reset."""
        subprocess.run(["tpm2_pcrreset", "-T", self.tcti, "16"], check=True)
        self.extend(16, digit)

    def _stop_at_exit(self):
        # Not at the end of a worker that was forked meanwhile.
        if os.getpid() == self._owner:
            self.stop()

    def stop(self):
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        for left in (self._socket, pathlib.Path(f"{self._socket}.ctrl"), self._folder / ".lock"):
            left.unlink(missing_ok=True)
        if not self._kept:
            shutil.rmtree(self._folder, ignore_errors=True)
