#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""TPM keys of ours for the systemd of Debian 13, and theirs for us (TAP). Nothing is booted: their tools run in
a chroot, with the software TPM that ours use; the first run builds the chroot."""
import base64
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import checks
from vm import die_with_parent, wait_for

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools/lib"))
from cached_tree import EXCLUDED, bootstrap_options, cached_tree  # noqa: E402  pylint: disable=wrong-import-position

SUITE = "trixie"
PACKAGES = ["systemd-cryptsetup", "cryptsetup-bin", "libtss2-esys-3.0.2-0t64", "libtss2-tctildr0t64", "libtss2-rc0t64",
            "libtss2-mu-4.0.1-0t64"]
DOCUMENT = """apiVersion: v1alpha1
kind: UserVolumeConfig
name: data
volume: {{device: {image}}}
filesystem: {{type: ext4}}
encryption:
  provider: luks2
  keys:
"""
SIGNED = ("    - {{slot: 0, tpm: {{options: {{pcrs: [7]}}, signedPolicy: {{publicKey: {key}, pcrs: [11]}}}}}}\n"
          "    - {{slot: 1, static: {{passphrase: other}}}}\n")
SIGNATURE = "run/systemd/tpm2-pcr-signature.json"  # where both look for it
KEYS = "    - {slot: 0, tpm: {}}\n    - {slot: 1, static: {passphrase: other}}\n"


def system_tree():
    def make(partial):
        subprocess.run(["mmdebstrap", *bootstrap_options(), "--variant=minbase", f"--include={','.join(PACKAGES)}", SUITE,
                        partial], check=True, stdout=sys.stderr)
    return cached_tree(f"systemd-{SUITE}", [SUITE, PACKAGES, EXCLUDED], make)


def openssl(*arguments):
    return subprocess.run(["openssl", *arguments], capture_output=True, check=True).stdout


def sha256(data):
    return hashlib.sha256(data).digest()


class Lab:
    """A folder inside the other system's tree, with a volume, a configuration and a TPM."""

    def __init__(self, build, tree):
        self._engine, self._tree = pathlib.Path(build) / "src/engine/volumecrypt-engine", tree
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="volumecrypt-", dir=tree / "tmp"))
        self.inside = "/" + str(self.folder.relative_to(tree))
        self.image = self.folder / "image"
        with open(self.image, "wb") as file:
            file.truncate(40 << 20)
        (self.folder / "config").mkdir()
        self.declare(KEYS)
        socket = self.folder / "tpm"
        self._tpm = subprocess.Popen(
            ["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={self.folder}", "--server", f"type=unixio,path={socket}",
             "--ctrl", f"type=unixio,path={socket}.ctrl", "--flags", "not-need-init,startup-clear"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=die_with_parent)
        wait_for(self.folder / "tpm.ctrl", self._tpm)
        time.sleep(0.1)
        self.extend(7, "1")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._tpm.kill()
        self._tpm.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
        (self._tree / SIGNATURE).unlink(missing_ok=True)

    def extend(self, pcr, digit):
        subprocess.run(["tpm2_pcrextend", "-T", f"swtpm:path={self.folder}/tpm", f"{pcr}:sha256={digit * 64}"],
                       check=True)

    def sign(self, digit):
        """Signs PCR 11 with that digit measured, as systemd-measure does; returns the public key's file."""
        private, public = self.folder / "private.pem", self.folder / "public.pem"
        openssl("genrsa", "-out", private, "2048")
        openssl("rsa", "-in", private, "-pubout", "-out", public)
        value = sha256(bytes(32) + bytes.fromhex(digit * 64))
        # TPM2_PolicyPCR over PCR 11 of the SHA-256 bank.
        policy = sha256(bytes(32) + bytes.fromhex("0000017f00000001000b03000800") + sha256(value))
        (self.folder / "policy").write_bytes(policy)
        signature = openssl("dgst", "-sha256", "-sign", private, self.folder / "policy")
        print_ = sha256(openssl("rsa", "-in", private, "-RSAPublicKey_out", "-outform", "DER"))
        text = json.dumps({"sha256": [{"pcrs": [11], "pkfp": print_.hex(), "pol": policy.hex(),
                                       "sig": base64.b64encode(signature).decode()}]})
        for place in (self.folder / "root" / SIGNATURE, self._tree / SIGNATURE):
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, encoding="utf-8")
        return public

    def declare(self, keys):
        file = self.folder / "config/volumes.yaml"
        file.write_text(DOCUMENT.format(image=self.image) + keys, encoding="utf-8")
        file.chmod(0o600)

    def engine(self, verb):
        """The last line of ours, and the steps."""
        command = [self._engine, verb, "u-data", "--root", self.folder / "root", "--config-dir", self.folder / "config",
                   "--tcti", f"swtpm:path={self.folder}/tpm", "--output", "json", "--test-kdf"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return json.loads(done.stdout.splitlines()[-1])

    def enroll(self, *arguments):
        """Their systemd-cryptenroll."""
        command = ["chroot", self._tree, "env", "NEWPASSWORD=secondary", "systemd-cryptenroll",
                   f"--unlock-tpm2-device=swtpm:path={self.inside}/tpm", *arguments, f"{self.inside}/image"]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def their_tpm(self, *arguments):
        return self.enroll(f"--tpm2-device=swtpm:path={self.inside}/tpm", *arguments)


def signed(check, build, tree):
    with Lab(build, tree) as lab:
        check.section("Ours, bound to PCR 7 and to whatever is signed for PCR 11")
        lab.declare(SIGNED.format(key=lab.sign("2")))
        check.equal("our engine formats a volume with it", lab.engine("format")["type"], "result")
        done = lab.enroll("--password")
        check.fact("what is not signed opens it for nobody", done.returncode != 0
                   and lab.engine("sync").get("unlockedBySlot") == 1, done.stderr)
        lab.extend(11, "2")
        check.equal("ours opens it once the signed state is there", lab.engine("sync").get("unlockedBySlot"), 0)
        done = lab.enroll("--password")
        check.fact("and so does systemd-cryptenroll", done.returncode == 0, done.stderr)


def scenario(check, build, tree):
    signed(check, build, tree)
    with Lab(build, tree) as lab:
        version = subprocess.run(["chroot", tree, "systemd-cryptenroll", "--version"], capture_output=True, text=True,
                                 check=True).stdout.splitlines()[0]
        check.section(f"Ours for {version}")
        check.equal("our engine formats a volume with a TPM key", lab.engine("format")["type"], "result")
        done = lab.enroll("--password")
        check.fact("systemd-cryptenroll opens it with the TPM key, and adds a password", done.returncode == 0, done.stderr)
        check.section(f"Theirs, of {version}, for us")
        done = lab.their_tpm("--tpm2-pcrs=0+7")
        slots = {slot["slot"]: slot for slot in lab.engine("inspect")["slots"]}
        if not check.fact("systemd-cryptenroll adds a TPM key of its own", done.returncode == 0 and 3 in slots,
                          done.stderr + done.stdout):
            return
        check.equal("inspect shows it as a tpm key that is not ours", (slots[3]["kind"], slots[3]["managed"]), ("tpm", False))
        lab.declare("    - {slot: 3, tpm: {}}\n")
        found = lab.engine("plan")
        check.equal("our engine opens the volume with it when it is told to", found["type"], "result")
        check.equal("and does not take it for its own", [step["action"] for step in found.get("steps", []) if step["slot"] == 3],
                    ["refuse"])
        lab.declare(KEYS)
        before = lab.image.read_bytes()
        check.equal("a sync leaves it alone", lab.engine("sync")["changed"], False)
        check.fact("to the last byte", lab.image.read_bytes() == before)


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("only root can use the other system's tree")
    checks.main(scenario, sys.argv[1], system_tree())
