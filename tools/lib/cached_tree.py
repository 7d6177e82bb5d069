# SPDX-License-Identifier: Apache-2.0
"""Debian trees of a suite that are made once and kept outside the repository, by what they are made of."""
import contextlib
import fcntl
import fnmatch
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

SUITES = ["bookworm", "trixie", "sid"]
# Nobody reads these there, and unpacking them takes time.
EXCLUDED = ["/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*"]
UNUSED = 7 * 24 * 3600  # seconds


def log(text):
    print(f"# {pathlib.Path(sys.argv[0]).stem}: {text}", file=sys.stderr, flush=True)


def cache_folder():
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
    folder = cache / "volumecrypt"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


@contextlib.contextmanager
def locked(path):
    """One at a time; the lock ends with the process at the latest."""
    with open(path, "w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def remove_tree(path):
    # rm stays on one file system: a hook that failed may have left a mount.
    subprocess.run(["rm", "-rf", "--one-file-system", path], check=True)


def cached_tree(kind, parts, make):
    """The folder KIND.KEY of the cache, made by `make` beside it when it is not there. The key comes of `parts`. Others
    of the kind that nobody has used for long go: another checkout may be at work in one."""
    cache = cache_folder()
    tree = cache / f"{kind}.{key_of(parts)}"
    with locked(cache / f"{kind}.lock"):
        if tree.exists():
            os.utime(tree)
            return tree
        started = time.monotonic()
        log(f"making {tree}, once")
        partial = cache / f"{kind}.partial"
        remove_tree(partial)
        make(partial)
        for other in cache.iterdir():
            is_of_kind = fnmatch.fnmatch(other.name, f"{kind}.{'[0-9a-f]' * 16}")
            if is_of_kind and other.stat().st_mtime < time.time() - UNUSED:
                remove_tree(other)
        partial.rename(tree)
        os.utime(tree)
        log(f"made in {time.monotonic() - started:.0f} s")
    return tree


def key_of(parts):
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def bootstrap_options():
    """Of mmdebstrap, for each of these trees."""
    return ["--quiet", "--mode=root", "--format=directory", "--aptopt=Acquire::Retries \"3\"",
            "--aptopt=Acquire::Languages \"none\"", *(f"--aptopt={line}" for line in apt_options()),
            *(f"--dpkgopt=path-exclude={pattern}" for pattern in EXCLUDED)]


def apt_options():
    """What this machine's apt was told of the way to a mirror and of its dates: that goes for a tree's, too."""
    if shutil.which("apt-config") is None:
        return []
    names = ["Acquire::Check-Valid-Until", "Acquire::Check-Date", "Acquire::http::Proxy", "Acquire::https::Proxy"]
    lines = subprocess.run(["apt-config", "dump", "--format", "%f \"%v\"%n", *names], check=True, capture_output=True,
                           text=True).stdout.splitlines()
    return [line for line in lines if not line.endswith('""')]
