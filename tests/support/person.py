# SPDX-License-Identifier: Apache-2.0
"""A person at a terminal: runs a program on a pty, reads what it shows and types."""
import os
import pty
import re
import select
import signal
import termios
import time


class Person:
    """A context manager around one program that runs on a terminal of its own."""

    def __init__(self, command, environment, seconds=20):
        self._end = time.monotonic() + seconds
        self.seen = ""
        self._at = 0
        self.code = None
        self._pid, self._fd = pty.fork()
        if self._pid == 0:
            try:
                os.execvpe(command[0], command, environment)
            finally:
                os._exit(127)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        if self.code is None:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
        os.close(self._fd)

    def _more(self):
        """Reads once; False at the end of the program's output."""
        left = self._end - time.monotonic()
        assert left > 0, f"still waiting; the terminal shows {self.seen!r}"
        if not select.select([self._fd], [], [], left)[0]:
            return True
        try:
            data = os.read(self._fd, 65536)
        except OSError:  # EIO: the program has ended
            return False
        self.seen += data.decode("utf-8", "replace").replace("\r\n", "\n")
        return bool(data)

    def reads(self, text):
        """Waits until `text` is shown after what was read before."""
        while True:
            found = self.seen.find(text, self._at)
            if found >= 0:
                self._at = found + len(text)
                return
            assert self._more(), f"{text!r} never came; the terminal shows {self.seen!r}"

    def types_secret(self, text):
        """Types once the terminal does not show it. cryptsetup asks first and drops what was typed before it turned
        the echo off: a person is never so quick."""
        while self.echoes():
            assert time.monotonic() < self._end, f"what is typed would be shown; the terminal shows {self.seen!r}"
            time.sleep(0.02)
        self.types(text)

    def types(self, text):
        data = text.encode() if isinstance(text, str) else text
        while data:
            data = data[os.write(self._fd, data[:1024]):]

    def echoes(self):
        return bool(termios.tcgetattr(self._fd)[3] & termios.ECHO)

    def interrupts(self):
        os.kill(self._pid, signal.SIGINT)

    def leaves(self):
        """Reads to the end; the exit code."""
        while self._more():
            pass
        _, status = os.waitpid(self._pid, 0)
        self.code = os.waitstatus_to_exitcode(status)
        return self.code

    def plain(self):
        """What was shown, without colours."""
        return re.sub(r"\x1b\[[0-9;]*m", "", self.seen)
