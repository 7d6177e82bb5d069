# SPDX-License-Identifier: Apache-2.0
"""The key service at an address that is always the same, since tokens and configurations name it."""
import ctypes
import fcntl
import os
import pathlib
import signal
import subprocess
import tempfile

from place import Lost

ADDRESS = "127.86.67.49:47049"
KEY = b"VolumeCrypt: a key for its tests"


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class SiteKms:
    """One at a time on a machine: another test that has it is waited for."""

    endpoint = "grpc://" + ADDRESS

    def __init__(self, build, folder):
        self._program = build / "src/kms_server/volumecrypt-kms-server"
        self._key = pathlib.Path(folder) / "kms.key"
        self._turn, self._process = None, None

    def __enter__(self):
        self._key.write_bytes(KEY)
        self._key.chmod(0o600)
        name = pathlib.Path(tempfile.gettempdir()) / f"volumecrypt-{os.getuid()}-{ADDRESS}"
        self._turn = os.open(name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._turn, fcntl.LOCK_EX)
        self._process = subprocess.Popen(
            [self._program, "--listen", ADDRESS, "--plaintext", "--key-file", self._key], text=True,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, preexec_fn=die_with_parent)
        if not self._process.stdout.readline().startswith("listening on"):
            self.__exit__()
            raise Lost("volumecrypt-kms-server does not listen")
        return self

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait()
        self._process.stdout.close()
        os.close(self._turn)
