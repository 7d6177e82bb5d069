# SPDX-License-Identifier: Apache-2.0
"""volumecryptctl and a service that always answers the same, on a private bus."""
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
from support.person import Person  # noqa: E402
from support.private_bus import BusPlace, wait_for  # noqa: E402


class CliFixture(BusPlace):
    """A context manager. `run` is a script, `person` somebody at a terminal."""

    def __init__(self, volumecryptctl, service):
        super().__init__()
        self.program = volumecryptctl
        self._service = service
        self.service = None

    def _start(self):
        self.service = self.bus.start([self._service], "service.log")
        wait_for(lambda: "ready" in self.bus.log("service.log"), "the service is ready")

    @property
    def environment(self):
        return {**self.bus.environment, "TERM": "xterm"}

    def calls(self):
        """What the service was asked."""
        return self.bus.log("service.log")[1:]

    def file(self, name, content):
        path = self.bus.folder / name
        path.write_bytes(content)
        return str(path)

    def run(self, *words, secret=None, stdout=subprocess.PIPE, environment=None):
        """`secret` (bytes) is piped in; without it standard input is /dev/null."""
        given = {"input": secret} if secret is not None else {"stdin": subprocess.DEVNULL}
        result = subprocess.run([self.program, *words], stdout=stdout, stderr=subprocess.PIPE, timeout=60,
                                env=environment or self.environment, check=False, **given)
        result.stdout = (result.stdout or b"").decode()
        result.stderr = result.stderr.decode()
        return result

    def start(self, *words, log):
        return self.bus.start([self.program, *words], log)

    def person(self, *words, **environment):
        return Person([self.program, *words], {**self.environment, **environment})


ENGINE = """#!/bin/sh
echo "$*" >>{log}
case "$*" in *--secret-fd*) [ "$(cat)" = right ] && echo '{{"type":"result","state":"unlocked"}}' && exit ;; esac
echo '{{"type":"error","code":"NoUsableKey","message":"no declared key opens it","hint":"give one","retry":false}}'
exit 1
"""


def without_bus(cli):
    """An environment without a bus, and an engine that knows one passphrase."""
    engine = cli.file("engine", ENGINE.format(log=cli.bus.folder / "engine.log").encode())
    pathlib.Path(engine).chmod(0o755)
    return {**cli.environment, "DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nonexistent"}, engine
