# SPDX-License-Identifier: Apache-2.0
"""A client of QEMU's control socket, as much as hot-plug and power-off need."""
import json
import socket
import time


class QmpError(Exception):
    """QEMU refused a command, or did not answer."""


def connected(path, timeout):
    """A socket that QEMU has bound is one that it listens on a moment later."""
    deadline = time.monotonic() + timeout
    while True:
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(timeout)
        try:
            client.connect(str(path))
            return client
        except ConnectionRefusedError:
            client.close()
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


class Qmp:
    def __init__(self, path, timeout=30):
        self._socket = connected(path, timeout)
        self._file = self._socket.makefile("rw", encoding="utf-8")
        self._events = []
        self._read()  # the greeting
        self.command("qmp_capabilities")

    def close(self):
        self._file.close()
        self._socket.close()

    def _read(self):
        line = self._file.readline()
        if not line:
            raise QmpError("QEMU closed its control socket")
        return json.loads(line)

    def command(self, name, **arguments):
        self._file.write(json.dumps({"execute": name, "arguments": arguments}) + "\n")
        self._file.flush()
        while True:
            answer = self._read()
            if "event" in answer:
                self._events.append(answer)
            elif "error" in answer:
                raise QmpError(f"{name}: {answer['error']['desc']}")
            else:
                return answer.get("return")

    def wait_event(self, name, timeout=60, **data):
        """The first event of that name whose data contains `data`; it is taken from the queue."""
        deadline = time.monotonic() + timeout
        while True:
            for event in self._events:
                if event["event"] == name and data.items() <= event.get("data", {}).items():
                    self._events.remove(event)
                    return event
            left = deadline - time.monotonic()
            if left <= 0:
                raise QmpError(f"no event {name} within {timeout} s")
            self._socket.settimeout(left)
            try:
                answer = self._read()
            except TimeoutError as error:
                raise QmpError(f"no event {name} within {timeout} s") from error
            finally:
                self._socket.settimeout(30)
            if "event" in answer:
                self._events.append(answer)
