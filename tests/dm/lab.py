# SPDX-License-Identifier: Apache-2.0
"""What the checks in the guest work with: verdicts, commands, loop devices, configurations."""
import contextlib
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import time
import traceback

WORK = pathlib.Path("/run/work")
UUID = "12345678-1234-5678-1234-567812345678"


def verdict(name, why=None):
    """One line, and the lines of `why` below it when the check failed."""
    if why is None:
        print(f"PASS {name}", flush=True)
        return
    first, *rest = str(why).rstrip().splitlines() or [""]
    print("\n".join([f"FAIL {name}: {first}", *(f"  {line}" for line in rest)]), flush=True)


def check(function, *arguments, name=None):
    """A check passes when it returns; its name is the first line of its description."""
    name = name or function.__doc__.strip().splitlines()[0].rstrip(".")
    started = time.monotonic()
    try:
        function(*arguments)
    except AssertionError as error:
        where = [f"{os.path.basename(frame.filename)}:{frame.lineno}"
                 for frame in traceback.extract_tb(error.__traceback__)[1:]]
        verdict(name, f"{error}\nat {' > '.join(where)}")
    except Exception:  # pylint: disable=broad-except
        verdict(name, traceback.format_exc())
    else:
        verdict(name)
    # For those who wonder where the time goes; the runner shows it with --times.
    print(f"TIME {time.monotonic() - started:.1f} s", flush=True)


def equal(got, wanted, what=""):
    assert got == wanted, f"{what + ': ' if what else ''}got {got!r}, wanted {wanted!r}"


def run(*command, stdin=None, ok=True, pass_fds=()):
    """Standard output of a command that succeeds; with ok=False the finished process."""
    done = subprocess.run([str(part) for part in command], input=stdin, capture_output=True,
                          text=True, check=False, pass_fds=pass_fds)
    if not ok:
        return done
    assert done.returncode == 0, f"{' '.join(map(str, command))}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


class Disk:
    """A loop device over a sparse file in memory."""

    _number = 0

    def __init__(self, mebibytes, *options):
        Disk._number += 1
        self.file = WORK / f"disk{Disk._number}.img"
        self.size = mebibytes << 20
        with open(self.file, "wb") as out:
            out.truncate(self.size)
        self.node = run("losetup", "--find", "--show", *options, self.file).strip()

    def grow(self, mebibytes):
        self.size = mebibytes << 20
        os.truncate(self.file, self.size)
        run("losetup", "--set-capacity", self.node)

    def digest(self, length=None):
        """Of the content, as it is on the disk."""
        os.sync()
        with open(self.file, "rb") as content:
            return hashlib.sha256(content.read(length if length is not None else -1)).hexdigest()

    def number(self):
        return pathlib.Path("/sys/class/block", os.path.basename(self.node), "dev").read_text().strip()

    def remove(self):
        run("losetup", "--detach", self.node, ok=False)
        self.file.unlink(missing_ok=True)


@contextlib.contextmanager
def disk(mebibytes, *options):
    one = Disk(mebibytes, *options)
    try:
        yield one
    finally:
        one.remove()


@contextlib.contextmanager
def mounted(node, *options):
    where = WORK / "mnt"
    where.mkdir(exist_ok=True)
    run("mount", *options, node, where)
    try:
        yield where
    finally:
        run("umount", where)


class Machine:
    """A root of its own for the engine: configuration, product UUID, locks and pins."""

    def __init__(self, build):
        self.engine_path = pathlib.Path(build) / "src/engine/volumecrypt-engine"
        self.test_kdf = True
        self.root = WORK / "root"
        self.config = WORK / "config"
        self.reset()

    def reset(self):
        shutil.rmtree(self.root, ignore_errors=True)
        shutil.rmtree(self.config, ignore_errors=True)
        dmi = self.root / "sys/class/dmi/id"
        dmi.mkdir(parents=True)
        (dmi / "product_uuid").write_text(UUID + "\n")
        self.config.mkdir()

    def declare(self, text, name="volumes.yaml"):
        path = self.config / name
        path.write_text(text)
        path.chmod(0o600)

    def command(self, verb, volume, *options):
        return [str(part) for part in (self.engine_path, verb, volume, "--root", self.root, "--config-dir",
                                       self.config, "--output", "json",
                                       *(["--test-kdf"] if self.test_kdf else []), *options)]

    def engine(self, verb, volume, *options, pass_fds=()):
        """The Answer of one run."""
        started = time.monotonic()
        done = run(*self.command(verb, volume, *options), ok=False, pass_fds=pass_fds)
        seconds = time.monotonic() - started
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        assert lines, f"the engine said nothing, exit {done.returncode}: {done.stderr}"
        return Answer(done.returncode, lines, seconds, done.stderr)


class Answer:
    """What one run of the engine said."""

    def __init__(self, status, lines, seconds, errors):
        self.status, self.lines, self.seconds, self.errors = status, lines, seconds, errors
        self.last = lines[-1]

    def __str__(self):
        return f"exit {self.status}: {self.lines} {self.errors}"

    def succeeded(self, **members):
        assert self.status == 0 and self.last["type"] == "result", self
        for name, wanted in members.items():
            assert self.last.get(name) == wanted, f"{name}: wanted {wanted!r}, {self}"
        return self

    def failed(self, code, status=1, text=""):
        assert self.last["type"] == "error" and self.last["code"] == code and self.status == status, (
            f"wanted {code} and exit {status}, {self}")
        assert text in self.last["message"], f"wanted {text!r} in {self}"
        return self


def mappings():
    """Names of all device-mapper devices."""
    lines = run("dmsetup", "ls").splitlines()
    return sorted(line.split()[0] for line in lines if not line.startswith("No devices"))


def table(name):
    return run("dmsetup", "table", name).split()


def blkid(node, tag):
    return run("blkid", "--probe", "--output", "value", "--match-tag", tag, node, ok=False).stdout.strip()


def opens(node, passphrase, *options):
    """Whether the distribution's cryptsetup opens the volume with it."""
    done = run("cryptsetup", "open", "--test-passphrase", "--type", "luks2", "--key-file", "-", *options,
               node, stdin=passphrase, ok=False)
    return done.returncode == 0
