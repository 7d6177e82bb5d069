# SPDX-License-Identifier: Apache-2.0
"""A message bus of the test's own, and programs that are ended with it."""
import os
import pathlib
import socket
import subprocess
import tempfile
import time

CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={folder}/bus</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
  </policy>
</busconfig>
"""


def wait_for(condition, what, seconds=20):
    """The first true value of condition()."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"{what} within {seconds} s")


class PrivateBus:
    """A context manager; `environment` points programs at the bus."""

    def __init__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="volumecrypt-bus-")
        self.folder = pathlib.Path(self._folder.name)
        self.address = f"unix:path={self.folder}/bus"
        kept = {name: os.environ[name] for name in ("PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS") if name in os.environ}
        self.environment = {**kept, "LC_ALL": "C.UTF-8", "DBUS_SYSTEM_BUS_ADDRESS": self.address}
        self._processes = []

    def __enter__(self):
        config = self.folder / "bus.conf"
        config.write_text(CONFIG.format(folder=self.folder), encoding="utf-8")
        try:
            self.start(["dbus-daemon", f"--config-file={config}", "--nofork", "--nopidfile"], "bus.log")
            wait_for(self._listens, "the bus listens")
        except BaseException:
            self.__exit__()
            raise
        return self

    def _listens(self):
        # The socket's file is there before anybody listens on it.
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.folder / "bus")) == 0

    def start(self, command, log):
        """Starts a program whose output goes to `log` (below folder)."""
        with open(self.folder / log, "wb") as out:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                       env=self.environment)
        self._processes.append(process)
        return process

    def log(self, name):
        return (self.folder / name).read_text(encoding="utf-8", errors="replace").splitlines()

    def __exit__(self, *exception):
        for process in reversed(self._processes):
            process.kill()
            process.wait()
        self._folder.cleanup()


class BusPlace:
    """A context manager: a private bus with what `_start` makes and starts on it."""

    def __init__(self):
        self.bus = PrivateBus()

    def __enter__(self):
        self.bus.__enter__()
        try:
            self._start()
        except BaseException:
            self.bus.__exit__()
            raise
        return self

    def __exit__(self, *exception):
        self.bus.__exit__(*exception)

    def _start(self):
        raise NotImplementedError
