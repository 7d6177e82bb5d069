# SPDX-License-Identifier: Apache-2.0
"""Keys that a TPM seals, interrupted: their tokens must be where their slots are, or in the record."""
import ctypes
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

from place import Lost
from scenarios import Scenario, adopt, converge, no_orphans

ONE = {1: "one"}


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class Swtpm:
    """A software TPM for the whole run. There is no resource manager, so engines take turns."""

    def __init__(self):
        self._folder = pathlib.Path(tempfile.mkdtemp(prefix="volumecrypt-tpm-"))
        self._socket = self._folder / "tpm"
        self.tcti = f"swtpm:path={self._socket}"
        self._process = subprocess.Popen(
            ["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={self._folder}", "--server",
             f"type=unixio,path={self._socket}", "--ctrl", f"type=unixio,path={self._socket}.ctrl", "--flags",
             "not-need-init,startup-clear"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, preexec_fn=die_with_parent)
        deadline = time.monotonic() + 20
        while not pathlib.Path(f"{self._socket}.ctrl").exists():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
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

    def stop(self):
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)


class Tpm(Scenario):
    """sync from one declaration to another, with the TPM as it was or with a PCR that changed meanwhile."""

    def __init__(self, name, before, after, changed=False):
        super().__init__(name, ("sync",))
        self.before_kinds, self.after_kinds, self.changed = before, after, changed
        self.tpm = None

    def declared(self, kinds):
        """Keys for the YAML: [16] stands for a TPM key bound to PCR 16."""
        return {slot: key if isinstance(key, str) else f'tpm: {{options: {{pcrs: {key}}}, tcti: "{self.tpm.tcti}"}}'
                for slot, key in kinds.items()}

    def prepare(self, place):
        if self.tpm is None:
            self.tpm = Swtpm()
        self.tpm.debug_pcr("a")
        adopt(place, ONE)
        self.tpm.share_lock(place)
        place.declare(self.declared({**self.before_kinds, **ONE}))
        place.must("sync")
        place.declare(self.declared(self.before_kinds))
        place.must("sync")
        if self.changed:
            self.tpm.debug_pcr("b")

    def run(self, place, environment=None):
        place.declare(self.declared(self.after_kinds))
        return super().run(place, environment)

    def judge(self, place):
        for key in (key for slot, key in self.after_kinds.items() if self.before_kinds.get(slot) == key):
            if isinstance(key, str) and not place.opens(key):
                raise Lost(f"the untouched key {key} does not open the volume")
        converge(place, None)
        no_orphans(place, self.after_kinds)
        sealed = sorted(slot for slot, key in self.after_kinds.items() if not isinstance(key, str))
        tokens = [token for token in place.header()["tokens"].values() if token["type"] != "volumecrypt"]
        if sorted(token["keyslots"] for token in tokens) != [[str(slot)] for slot in sealed]:
            raise Lost(f"tokens for {[token['keyslots'] for token in tokens]}, wanted {sealed}")
        last = place.must("sync", "--verify")
        if sealed and last["unlockedBySlot"] != sealed[0]:
            raise Lost(f"the TPM does not open the volume, but slot {last['unlockedBySlot']}")

    def finish(self):
        if self.tpm is not None:
            self.tpm.stop()


def tpm_scenarios():
    return [
        Tpm("tpm: a key comes", ONE, {0: [16], **ONE}),
        Tpm("tpm: a key goes", {0: [16], **ONE}, ONE),
        Tpm("tpm: a key becomes a passphrase", {0: [16], **ONE}, {0: "zero", **ONE}),
        Tpm("tpm: a PCR changed", {0: [16], **ONE}, {0: [16], **ONE}, changed=True),
        Tpm("tpm: the only key is bound to more", {0: [16]}, {0: [7, 16]}),
    ]
