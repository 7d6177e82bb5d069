# SPDX-License-Identifier: Apache-2.0
"""The daemon on a private bus, with the engine that does what scripts say."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
from support.private_bus import BusPlace  # noqa: E402


class DaemonPlace(BusPlace):
    """What `_start` makes and starts is each test's own."""

    def write(self, configuration, scripts):
        """`configuration` by file name, the engine's `scripts` by verb."""
        for name, files in (("config", configuration), ("script", scripts)):
            (self.bus.folder / name).mkdir()
            for file, text in files.items():
                (self.bus.folder / name / file).write_text(text, encoding="utf-8")

    def start_daemon(self, volumecryptd, fake_engine):
        folder = self.bus.folder
        engine = folder / "engine"
        engine.write_text(f"#!/bin/sh\nSCRIPTS={folder}/script\n. {fake_engine}\n", encoding="utf-8")
        engine.chmod(0o755)
        self.bus.start([volumecryptd, "--root", str(folder / "root"), "--config-dir", str(folder / "config"),
                        "--engine", str(engine), "--launcher=child"], "daemon.log")
