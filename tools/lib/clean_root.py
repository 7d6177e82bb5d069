#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A clean Debian of a suite, kept in the cache, and programs in a throw-away view of it.

As a program it is the inside of CleanRoot.run(): mounts, changes root and user, and becomes the command."""
import fcntl
import json
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from cached_tree import EXCLUDED, bootstrap_options, cache_folder, cached_tree, key_of  # noqa: E402

# The one who builds; no name is needed outside.
USER = 1000
# Does what is in a root depend on anything else but its arguments? Then this goes up.
VERSION = 1
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1


class CleanRoot:
    """The build dependencies of debian/control in a Debian of `suite`."""

    def __init__(self, suite, control, profiles, extra):
        self.suite, self.control, self.profiles, self.extra = suite, control, profiles, extra
        self._parts = [VERSION, suite, build_dependencies(control, profiles), sorted(profiles), sorted(extra), EXCLUDED]
        self.key = key_of(self._parts)
        self.tree = None

    def make(self):
        """Makes it when it is not in the cache."""
        kind = "-".join(["packages", self.suite, *sorted(self.profiles)])
        self.tree = cached_tree(kind, self._parts, self._bootstrap)

    def _bootstrap(self, target):
        report = target.with_suffix(".log")
        profiles = f"-P {','.join(sorted(self.profiles))}" if self.profiles else ""
        # With what is wanted in one go: each run of apt and dpkg costs seconds.
        command = [
            "mmdebstrap", *bootstrap_options(), "--variant=apt",
            "--aptopt=APT::Install-Recommends \"false\"", "--dpkgopt=force-unsafe-io",
            "--customize-hook=mkdir -p \"$1/opt/source/debian\"",
            f"--customize-hook=upload {self.control} /opt/source/debian/control",
            "--customize-hook=chroot \"$1\" env DEBIAN_FRONTEND=noninteractive"
            f" apt-get -q -y {profiles} build-dep /opt/source",
            "--customize-hook=chroot \"$1\" env DEBIAN_FRONTEND=noninteractive"
            f" apt-get -q -y install {' '.join(sorted(self.extra))}",
            f"--customize-hook=echo builder:x:{USER}:{USER}::/build:/bin/sh >> \"$1/etc/passwd\"",
            f"--customize-hook=echo builder:x:{USER}: >> \"$1/etc/group\"",
            "--customize-hook=rm -r \"$1/opt/source\"",
            self.suite, target]
        with open(report, "wb") as output:
            done = subprocess.run(command, check=False, stdin=subprocess.DEVNULL, stdout=output,
                                  stderr=subprocess.STDOUT).returncode
        if done != 0:
            lines = report.read_text(encoding="utf-8", errors="replace").splitlines()
            sys.exit("\n".join([*lines[-30:], f"package: no clean root of {self.suite}: see {report}"]))
        report.unlink()

    def run(self, command, binds, user=USER, environment=None):
        """Runs `command` in a view of the tree that is gone afterwards, without a network. `binds`: folders of
        this machine by their place there. Returns its exit code."""
        view = cache_folder() / "view"
        view.mkdir(exist_ok=True)
        what = {"view": str(view), "tree": str(self.tree), "binds": {place: str(path) for place, path in binds.items()},
                "user": user, "command": command, "environment": {
                    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/build", "LC_ALL": "C.UTF-8", "TZ": "UTC",
                    "LOGNAME": "builder" if user else "root", **(environment or {})}}
        return subprocess.run(["unshare", "--mount", "--pid", "--fork", "--kill-child", "--net", "--ipc", "--uts",
                               "--propagation", "private", sys.executable, __file__, json.dumps(what)],
                              check=False, stdin=subprocess.DEVNULL).returncode


def build_dependencies(control, profiles):
    """The field's lines, to compare. Each has one package, and under no profile those of one are wanted."""
    lines, inside = [], False
    for line in control.read_text(encoding="utf-8").splitlines():
        inside = line.startswith("Build-Depends") or (inside and line.startswith(" "))
        if inside and not ("nocheck" in profiles and "<" in line and "<<" not in line):
            lines.append(line)
    return lines


def mount(*arguments):
    subprocess.run(["mount", *arguments], check=True)


def loopback_up():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(any_socket, SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | IFF_UP))


def make_view(view, tree, binds):
    """A root over `tree`: what is written there is in memory, and only this process sees it."""
    mount("-t", "tmpfs", "-o", "mode=0755", "clean-root", view)
    places = {name: view / name for name in ("upper", "work", "root", "tree")}
    for place in places.values():
        place.mkdir()
    # By a path in which no character has a meaning to overlayfs.
    mount("--bind", tree, places["tree"])
    mount("-t", "overlay", "-o", "lowerdir={tree},upperdir={upper},workdir={work}".format(**places), "clean-root",
          places["root"])
    root = places["root"]
    mount("-t", "proc", "proc", root / "proc")
    mount("--rbind", "/sys", root / "sys")
    # Open to everybody in what mmdebstrap makes, and then systemd writes there in place of its standard error.
    (root / "dev/console").chmod(0o600)
    (root / "dev/shm").mkdir(exist_ok=True)
    for place, mode in (("dev/shm", "1777"), ("run", "0755"), ("tmp", "1777")):
        mount("-t", "tmpfs", "-o", f"mode={mode}", "tmpfs", root / place)
    mount("-t", "devpts", "-o", "newinstance,ptmxmode=0666,mode=0620,gid=5", "devpts", root / "dev/pts")
    for place, path in binds.items():
        target = root / place.lstrip("/")
        target.mkdir(parents=True, exist_ok=True)
        mount("--bind", path, target)
    return root


def inside(what):
    loopback_up()
    socket.sethostname("clean-root")
    os.chroot(make_view(pathlib.Path(what["view"]), what["tree"], what["binds"]))
    os.chdir("/build")
    os.setgroups([])
    os.setgid(what["user"])
    os.setuid(what["user"])
    os.umask(0o022)
    program = shutil.which(what["command"][0], path=what["environment"]["PATH"])
    if program is None:
        sys.exit(f"package: there is no {what['command'][0]} in the clean root")
    os.execve(program, what["command"], what["environment"])


if __name__ == "__main__":
    inside(json.loads(sys.argv[1]))
