# SPDX-License-Identifier: Apache-2.0
"""The host's side of guest/agent: commands in, exit code and output back."""
import base64
import dataclasses
import itertools
import socket
import time


class AgentTimeout(Exception):
    """The guest did not answer in time."""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a command in the guest did; output holds stdout and stderr as they came."""
    command: str
    code: int
    output: str

    @property
    def ok(self):
        return self.code == 0


class Agent:
    def __init__(self, path):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))
        self._buffer = b""
        self._answers = {}
        self._ids = itertools.count(1)

    def close(self):
        self._socket.close()

    def start(self, command, seconds=60):
        """Starts a shell command in the guest and returns its number, for `finish`."""
        number = next(self._ids)
        text = base64.b64encode(command.encode()).decode()
        self._socket.settimeout(30)
        self._socket.sendall(f"{number} {seconds} {text}\n".encode())
        return number

    def finish(self, number, command, seconds=60):
        """Waits for the answer; 124 is the code of a command that the guest stopped after its time."""
        # Beyond the command's own limit: time to be read and answered on a slow machine.
        deadline = time.monotonic() + seconds + 30
        while number not in self._answers:
            left = deadline - time.monotonic()
            if left <= 0:
                raise AgentTimeout(f"no answer to: {command}")
            self._receive(left, command)
        code, output = self._answers.pop(number)
        return Outcome(command, code, output)

    def _receive(self, seconds, command):
        self._socket.settimeout(seconds)
        try:
            data = self._socket.recv(1 << 16)
        except TimeoutError as error:
            raise AgentTimeout(f"no answer to: {command}") from error
        if not data:
            raise AgentTimeout(f"the machine ended during: {command}")
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            number, code, *output = line.decode().split(" ")
            self._answers[int(number)] = (
                int(code), base64.b64decode(output[0] if output else "").decode(errors="replace"))

    def run(self, command, seconds=60):
        return self.finish(self.start(command, seconds), command, seconds)

    def wait(self, seconds):
        """Returns when the guest's agent answers for the first time."""
        # What is written before the guest opens its port waits in the port.
        return self.finish(self.start("true", 60), "the agent's first answer", seconds)
