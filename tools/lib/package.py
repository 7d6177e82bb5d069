#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Builds the Debian packages in clean roots (the body of tools/package)."""
import argparse
import hashlib
import os
import pathlib
import shutil
import signal
import stat
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from cached_tree import SUITES, cache_folder, locked, log, remove_tree  # noqa: E402
from clean_root import USER, CleanRoot  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
# What no package is made of: without checks it is not there, and a change of it changes nothing.
ONLY_CHECKED = ("tests/", "tools/", "docs/", ".ci/", "CONTRIBUTING.md", "README.md")
# Of debian/control: with checks the contract suite, too.
PROFILES = {False: ["nocheck"], True: ["pkg.volumecrypt.contract"]}
# What debian/control has no reason to name.
CHECKERS = ["ca-certificates", "dbus", "iproute2", "lintian"]
# dpkg of Debian 12 knows Static-Built-Using, its lintian not yet, and packages of debug symbols cannot override it; and
# it asks for init scripts, where nothing works without systemd. Later ones want a policy that Debian 12 does not know.
LATER = "--suppress-tags out-of-date-standards-version"
UNKNOWING = {"bookworm": "--suppress-tags unknown-field,package-supports-alternative-init-but-no-init.d-script",
             "trixie": LATER, "sid": LATER}
SOURCE = "volumecrypt"


def listed_files():
    """The source as it lies there, with changes and new files, without what git ignores."""
    if (ROOT / ".git").exists():
        out = subprocess.run(["git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                             check=True, capture_output=True).stdout
        names = {os.fsdecode(name) for name in out.split(b"\0") if name}
    else:
        # A release: nothing is in it that is not its own but builds.
        names = {str(path.relative_to(ROOT)) for path in ROOT.rglob("*")
                 if not path.relative_to(ROOT).parts[0].startswith("build") and "__pycache__" not in path.parts}
    return sorted(name for name in names if (ROOT / name).is_file() or (ROOT / name).is_symlink())


def digest_of(names, *more):
    # How they are built counts, too, without the rest of tools/.
    tool = [(HERE / name).read_bytes() for name in ("package.py", "clean_root.py", "cached_tree.py")]
    digest = hashlib.sha256(repr([more, tool]).encode())
    for name in names:
        path = ROOT / name
        if path.is_symlink():
            content, mode = os.readlink(path).encode(), "link"
        else:
            content, mode = path.read_bytes(), path.stat().st_mode & stat.S_IXUSR
        digest.update(f"{name}\0{mode}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def copy_source(names, target):
    for name in names:
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, path, follow_symlinks=False)


def own(folder):
    subprocess.run(["chown", "-R", "-h", f"{USER}:{USER}", folder], check=True)


class Build:
    """The packages of one suite."""

    def __init__(self, suite, check, again=False):
        self.suite, self.check, self.again = suite, check, again
        self.names = [name for name in listed_files() if check or not name.startswith(ONLY_CHECKED)]
        self.root = CleanRoot(suite, ROOT / "debian/control", PROFILES[check],
                              ["build-essential", "ccache", *(CHECKERS if check else [])])
        self.output = ROOT / "build/packages" / suite
        self.key = f"{'checked' if check else 'built'}-{digest_of(self.names, self.root.key)}"

    def up_to_date(self):
        return (self.output / self.key).exists()

    def run(self, command, work, user=USER, environment=None):
        """A program in the clean root, in the copied source; ends everything when it fails."""
        compiler_cache = cache_folder() / "packages-ccache"
        compiler_cache.mkdir(exist_ok=True)
        os.chown(compiler_cache, USER, USER)
        # Its compiler by its content: roots are made anew, the compiler stays.
        everywhere = {"CCACHE_DIR": "/ccache", "CCACHE_NOHASHDIR": "1", "CCACHE_COMPILERCHECK": "content",
                      "CCACHE_MAXSIZE": "4G", "PATH": "/usr/lib/ccache:/usr/sbin:/usr/bin:/sbin:/bin"}
        status = self.root.run(command, {"/build": work, "/ccache": compiler_cache}, user,
                               {**everywhere, **(environment or {})})
        if status != 0:
            sys.exit(f"package: {self.suite}: {' '.join(command[:3])}... ended with {status}; its files are in {work}")

    def make(self):
        started = time.monotonic()
        self.root.make()
        work = self.output.with_name(f"{self.suite}.work")
        remove_tree(work)
        copy_source(self.names, work / SOURCE)
        own(work)
        jobs = len(os.sched_getaffinity(0))
        options = {"DEB_BUILD_OPTIONS": f"parallel={jobs}{'' if self.check else ' nocheck noautodbgsym'}",
                   "DEB_BUILD_PROFILES": " ".join(PROFILES[self.check])}
        if self.check:
            self.pack_source(work)
        self.run(["sh", "-c", f"cd {SOURCE} && exec dpkg-buildpackage -us -uc {'-F' if self.check else '-b'}"], work,
                 environment=options)
        log(f"{self.suite}: built after {time.monotonic() - started:.0f} s")
        if self.check:
            self.verify(work)
        if self.again:
            self.build_again(work)
        self.keep(work)
        log(f"{self.suite}: {self.output} after {time.monotonic() - started:.0f} s")

    def pack_source(self, work):
        """The release that debian/ is added to, for a source package."""
        self.run(["sh", "-c", f"tar --create --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --xz"
                  f" --exclude={SOURCE}/debian --file={SOURCE}_$(cd {SOURCE} && dpkg-parsechangelog -S Version |"
                  f" sed 's/-[^-]*$//').orig.tar.xz {SOURCE}"], work)

    def build_again(self, work):
        """The same bytes come of another folder, user, umask, language and time zone, and without what was compiled."""
        other = work / "again"
        copy_source(self.names, other / "elsewhere" / "else")
        own(other)
        self.run(["sh", "-c", "umask 0002; cd again/elsewhere/else && exec dpkg-buildpackage -us -uc -b"], work,
                 environment={"DEB_BUILD_OPTIONS": "nocheck", "DEB_BUILD_PROFILES": "nocheck", "CCACHE_DISABLE": "1",
                              "LC_ALL": "C", "LANG": "de_DE.UTF-8", "TZ": "Pacific/Kiritimati", "LOGNAME": "somebody",
                              "HOME": "/tmp"})
        names = sorted(path.name for path in work.glob("*.deb"))
        differing = [name for name in names
                     if (work / name).read_bytes() != (other / "elsewhere" / name).read_bytes()]
        if differing or not names:
            sys.exit(f"package: {self.suite}: another build made other bytes of {', '.join(differing)}: see {work}")
        log(f"{self.suite}: another build made the same {len(names)} packages")

    def verify(self, work):
        """What the build itself, which is nobody's in particular, could not show."""
        self.run(["sh", "-c", f"cd {SOURCE} && exec meson test -C obj-* --no-rebuild --print-errorlogs"
                  " --suite contract"], work, user=0)
        self.run(["python3", f"{SOURCE}/tests/package/lifecycle.py", "/build"], work, user=0)
        self.run(["sh", "-ec", f"dpkg --path-include='/usr/share/doc/*' --install $(ls *.deb | grep -v dbgsym)"
                  f" >/dev/null; {SOURCE}/debian/tests/smoke"], work, user=0)
        self.run(["sh", "-c", "exec lintian --pedantic --display-info --tag-display-limit 0"
                  f" --fail-on error,warning,info,pedantic {UNKNOWING[self.suite]} *.changes"], work)

    def keep(self, work):
        """Puts the packages where they belong, all of them or none."""
        fresh = self.output.with_name(f"{self.suite}.new")
        remove_tree(fresh)
        fresh.mkdir()
        for path in sorted(work.iterdir()):
            if path.is_file():
                shutil.copy(path, fresh / path.name)
        digest_key = self.key
        (fresh / digest_key).touch()
        if self.check:
            # They are what a build without checks makes.
            (fresh / Build(self.suite, False).key).touch()
        remove_tree(self.output)
        fresh.rename(self.output)
        remove_tree(work)


def package(suite, check, again):
    build = Build(suite, check, again)
    build.output.parent.mkdir(parents=True, exist_ok=True)
    with locked(build.output.with_name(f"{suite}.lock")):
        if build.up_to_date() and not again:
            log(f"{suite}: {build.output} is up to date")
        else:
            build.make()


def main():
    parser = argparse.ArgumentParser(prog="tools/package", description=__doc__)
    parser.add_argument("--suite", action="append", choices=SUITES, help="of these suites (all of them by default)")
    parser.add_argument("--no-check", action="store_true", help="only what is installed: no debug symbols, test or lintian")
    parser.add_argument("--again", action="store_true",
                        help="build twice, differently, and compare: packages are reproducible")
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("tools/package: run me as root: a clean root has files of others, and is mounted")
    if shutil.which("mmdebstrap") is None:
        sys.exit("tools/package: mmdebstrap is missing: tools/setup test installs it")
    # An exception: with it what runs in the clean root is ended, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("tools/package: terminated"))
    for suite in arguments.suite or SUITES:
        package(suite, not arguments.no_check, arguments.again)


if __name__ == "__main__":
    main()
