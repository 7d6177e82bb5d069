# SPDX-License-Identifier: Apache-2.0
"""Generated units, and what the installed systemd understands of them (it parses, runs nothing)."""
import collections
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "boot"))
import checks  # noqa: E402,F401  pylint: disable=wrong-import-position,unused-import

NOBODY = 65534


class Folder:
    """A temporary directory that an unprivileged systemd can read."""

    def __init__(self):
        self._temporary = tempfile.TemporaryDirectory(prefix="volumecrypt-units-")
        self.path = pathlib.Path(self._temporary.name)
        self.path.chmod(0o755)

    def __enter__(self):
        return self.path

    def __exit__(self, *error):
        self._temporary.cleanup()


def generate(generator, folder, config, name="generator"):
    """Runs the generator on a configuration text; returns (directory, result of the process)."""
    config_dir, out = folder / f"{name}.config", folder / name
    config_dir.mkdir(exist_ok=True)
    out.mkdir(exist_ok=True)
    file = config_dir / "volumes.yaml"
    file.write_text(config, encoding="utf-8")
    file.chmod(0o600)  # it may hold a passphrase
    # A root of its own: what it remembers must not be remembered by this machine.
    result = subprocess.run([generator, "--root", folder / "root", "--config-dir", config_dir, out, out, out], capture_output=True, text=True,
                            check=False)
    return out, result


def templates(folder, build):
    """The static templates of the build, with a program that exists here in place of the engine."""
    out = folder / "templates"
    out.mkdir(exist_ok=True)
    for name in ("volumecrypt@.service", "volumecrypt-sync@.service"):
        text = (pathlib.Path(build) / "systemd" / name).read_text(encoding="utf-8")
        text, count = re.subn(r"^(Exec\w+=)\S+/volumecrypt-engine ", r"\1/bin/true ", text, flags=re.M)
        if count == 0:
            raise ValueError(f"{name} does not run the engine")
        (out / name).write_text(text, encoding="utf-8")
    for name in ("volumecrypt-trim@.service", "volumecrypt-trim@.timer"):
        shutil.copy(pathlib.Path(build) / "systemd" / name, out)
    return out


def unit_path(*folders):
    """The environment in which these directories come before systemd's own."""
    return {**os.environ, "SYSTEMD_UNIT_PATH": ":".join([*map(str, folders), ""]), "HOME": "/"}


class Units:
    """The units that `systemd --test` loads to start `unit`, as it prints them."""

    def __init__(self, unit, *folders):
        systemd = next(p for p in ("/usr/lib/systemd/systemd", "/lib/systemd/systemd") if os.path.exists(p))
        command = [systemd, "--test", "--system", f"--unit={unit}"]
        if os.geteuid() == 0:  # it refuses to test as root
            command = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *command]
        result = subprocess.run(command, capture_output=True, text=True, check=False, env=unit_path(*folders))
        self.log = result.stderr
        self._units = {}
        for block in re.split(r"^\t-> Unit ", result.stdout, flags=re.M)[1:]:
            name, _, body = block.partition(":\n")
            self._units[name] = collections.defaultdict(list)
            for line in body.splitlines():
                if match := re.fullmatch(r"\t\t\s*([A-Z][\w ]*): (.*)", line):
                    self._units[name][match[1]].append(match[2])
        if not self._units:
            raise RuntimeError(f"systemd --test printed no units: {result.stderr}")

    def names(self):
        return set(self._units)

    def get(self, unit, key):
        """The values of a property, in order."""
        return self._units.get(unit, {}).get(key, [])

    def dependencies(self, unit, key):
        """The units of a dependency, without the remark where each comes from."""
        return {re.sub(r" \([a-z -]+\)$", "", value) for value in self.get(unit, key)}

    def complaints(self, *folders):
        """Lines of the log about files in `folders`, and every ordering cycle."""
        return [line for line in self.log.splitlines()
                if "ordering cycle" in line or any(str(folder) in line for folder in folders)]


def systemd_version():
    out = subprocess.run(["systemctl", "--version"], capture_output=True, text=True, check=True).stdout
    return int(re.match(r"systemd (\d+)", out)[1])
